// Which (instrument, channel) cannot be trusted at the moment, and why: the open gaps, asked for
// over REST every few seconds and kept up to date by the `gap` records that arrive in between.

import { get, millis } from './wire.js';

const EVERY_MS = 3_000;

export class Gaps {
  all = []; // newest first, as the server lists them
  #open = new Map(); // instId -> Map(channel -> { channel, cause, since })
  #then = null; // the same of a replay; `null`: it is the present that is shown
  #onChange;

  constructor(onChange) {
    this.#onChange = onChange;
  }

  start() {
    const again = async () => {
      await this.load().catch(() => {});
      setTimeout(again, EVERY_MS);
    };
    again();
  }

  async load() {
    this.all = (await get('gaps', { limit: 500 })).gaps;
    const before = this.#words();
    this.#open.clear();
    const closed = new Set(this.all.filter((gap) => gap.event === 'closed').map(key));
    for (const gap of this.all) if (gap.event === 'opened' && !closed.has(key(gap))) this.#set(gap);
    if (before !== this.#words() && !this.#then) this.#onChange();
  }

  /** What is shown is another time, of which nothing is known yet. */
  enter() {
    this.#then = new Map();
  }

  /** What is shown is the present. */
  leave() {
    this.#then = null;
  }

  /** A `gap` record from a subscription. */
  record(gap) {
    const open = this.#then ?? this.#open;
    if (gap.event === 'opened') this.#set(gap, open);
    else open.get(gap.instId)?.delete(gap.channel);
    this.#onChange();
  }

  /** Why `channel` (any of them when left out) of an instrument is stale; `null` when it is not. */
  of(instId, channel = null) {
    const found = (this.#then ?? this.#open).get(instId);
    if (!found?.size) return null;
    return channel ? (found.get(channel) ?? null) : found.values().next().value;
  }

  /** Every gap of an instrument that is open at present, as [instId, gap]. */
  get open() {
    return [...this.#open].flatMap(([instId, channels]) => [...channels.values()].map((gap) => [instId, gap]));
  }

  #set(gap, open = this.#open) {
    if (gap.instId == null) return;
    if (!open.has(gap.instId)) open.set(gap.instId, new Map());
    open.get(gap.instId).set(gap.channel, {
      channel: gap.channel,
      cause: gap.cause,
      since: millis(gap.from?.tsRecv) ?? millis(gap.tsRecv),
    });
  }

  #words = () => [...this.#open].map(([id, channels]) => `${id}:${[...channels.keys()]}`).join();
}

const key = (gap) => `${gap.feed}/${gap.gap}`;

const WORDS = {
  sequence: 'ids did not link',
  disconnect: 'the connection to the venue was lost',
  silence: 'the channel went quiet',
  unreadable: 'a row could not be read',
  checksum: 'the checksum did not agree',
  unverifiable: 'nothing proves it',
  evicted: 'the venue ended the subscription',
  refused: 'the venue refused the subscription',
  slow_consumer: 'a reader lost events',
  recorder: 'the recorder could not write',
  restart: 'it was begun anew',
  contradicted: 'another witness says otherwise',
};

/** A cause, for people. */
export const inWords = (cause) => WORDS[cause] ?? cause ?? 'unknown';
