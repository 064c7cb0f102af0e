// What comes over REST and the WebSocket, as objects. Times in nanoseconds exceed 2^53, so integers
// of 16 and more digits become text before JSON.parse sees them; `millis` takes either form.

import * as token from './token.js';

const LONG = /"(?:[^"\\]+|\\.)*"|(?<![\d.])-?\d{16,}(?![\d.eE])/g;
const quoteLong = (token) => (token.charCodeAt(0) === 34 ? token : `"${token}"`);

/** JSON with its long integers kept, as text. */
export const parseJson = (text) => JSON.parse(text.replace(LONG, quoteLong));

/** Milliseconds of a time in milliseconds or nanoseconds; `null` stays. */
export function millis(time) {
  if (time == null) return null;
  const text = String(time);
  return Number(text.length > 15 ? text.slice(0, -6) : text);
}

/** A GET below /api/v1. Throws with the server's own words. */
export async function get(path, query = {}, signal = undefined) {
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value != null));
  if (token.asking()) throw new Error('the server waits for its token');
  const reply = await fetch(`/api/v1/${path}${search.size ? `?${search}` : ''}`, { signal, cache: 'no-store', headers: token.headers() });
  if (reply.status === 401) token.refused();
  const text = await reply.text();
  let body = null;
  try {
    body = parseJson(text);
  } catch {
    throw new Error(`${path}: ${reply.status}, not JSON`);
  }
  if (!reply.ok) throw new Error(body?.error?.message ?? `${path}: ${reply.status}`);
  return body;
}
