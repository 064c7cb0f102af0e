// The token that a server wants which others can reach. It comes with the address, behind `#token=`
// (a part that browsers send to nobody), or is typed in; it is kept until the tab is closed, shown in
// a header, and over the WebSocket, which takes no headers from a page, as a sub-protocol.

import { by, put } from './screen.js';

const KEY = 'market-data token';
const SOUND = /^[!-~]{16,512}$/;
let token = null;
let isAsking = false;

try {
  token = sessionStorage.getItem(KEY);
} catch {
  // A browser that keeps nothing: it lasts as long as the page.
}

function keep(text) {
  token = text;
  try {
    sessionStorage.setItem(KEY, text);
  } catch {
    // As above.
  }
}

/** Takes a token out of the address, and the address back to what it was. */
export function fromAddress() {
  const found = /^#token=([^&/]+)/.exec(location.hash);
  if (!found) return;
  try {
    const text = decodeURIComponent(found[1]);
    if (SOUND.test(text)) keep(text);
  } catch {
    // Not a token.
  }
  history.replaceState(null, '', `${location.pathname}#/`);
}

/** Whether the page waits for somebody to type it: until then nothing is asked of the server. */
export const asking = () => isAsking;

/** What a request over HTTP shows. */
export const headers = () => (token ? { authorization: `Bearer ${token}` } : {});

/** What a WebSocket shows. Base64 without signs that a header could not carry. */
export const protocols = () =>
  token ? ['market-data', `token.${btoa(token).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')}`] : [];

/** The server refused: asks, once. `token` is dispatched when there is another. */
export function refused() {
  if (isAsking) return;
  isAsking = true;
  put(by('token-why'), token ? 'That is not the token of this server.' : 'Others can reach this server, so it wants its token.');
  by('token-text').value = '';
  by('token').showModal();
}

by('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = by('token-text').value.trim();
  if (!SOUND.test(text)) {
    put(by('token-why'), 'A token has 16 to 512 letters, digits and signs.');
    return;
  }
  keep(text);
  isAsking = false;
  by('token').close();
  dispatchEvent(new Event('token'));
});
// Without it there is nothing to be seen.
by('token').addEventListener('cancel', (event) => event.preventDefault());
