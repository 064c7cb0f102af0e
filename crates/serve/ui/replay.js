// Replay: the page as it was at a moment of the recorded tape. The server gives the state at that
// moment and what came after it in pages (`/api/v1/tape/page`); this file keeps the pace and hands
// records to the same panels that live ones go to. It stands in for the socket: `subscribe`.
//
// A time is in milliseconds here, with a fraction: a float decides when a record is shown, never what.

import { clock, setNow } from './screen.js';
import { Timeline } from './timeline.js';
import { get } from './wire.js';

const AHEAD_MS = 3_000; // of playing time, fetched before it is needed
const PAGE_MS = [2_000, 600_000]; // shortest and longest page
const BACK_MS = 5_000; // from the end of the tape when no moment was named
const AGAIN_MS = 700; // at the end of a tape that is being written
const LOOK_MS = 3_000; // how far the tape has come
export const SPEEDS = [1, 10, 60, 300];

const BOOKS = new Set(['orderbook', 'orderbook_delta']);
const nanos = (ms) => String(BigInt(Math.floor(ms)) * 1_000_000n + BigInt(Math.floor((ms % 1) * 1e6)));
/** Milliseconds of a time in ns as text, with their fraction. */
const exact = (ns) => Number(ns) / 1e6;

export class Replay {
  past = true; // what tells this from the socket
  on = false;
  #market;
  #watch;
  #gaps;
  #onMoment;
  #onChange;
  #wants = new Set();
  #timeline;
  #at = 0;
  #speed = 1;
  #playing = false;
  #frame = 0;
  #before = 0;
  #ahead = []; // { at, record } or { at, tickers }, oldest first
  #next = null; // ns as text: where the next page begins
  #end = false;
  #asked = 0; // counts seeks; a late answer to an earlier one is dropped
  #fetching = null;
  #wanted = null; // the moment to go to as soon as the last one is here
  #seeking = false;
  #again = 0;
  #timer = 0;
  #trouble = '';

  /** `onMoment()` when the moment changes, `onChange()` when it is settled, or the mode, or the pace. */
  constructor({ market, watch, gaps, onMoment, onChange }) {
    this.#market = market;
    this.#watch = watch;
    this.#gaps = gaps;
    this.#onMoment = onMoment;
    this.#onChange = onChange;
    this.#timeline = new Timeline({ gaps, inst: () => market.inst, onPick: (at) => this.seek(at) });
  }

  get at() {
    return this.#at;
  }
  get playing() {
    return this.#playing;
  }
  get speed() {
    return this.#speed;
  }

  /** What is said beside the time: waiting, at the end, or what went wrong. */
  get word() {
    if (this.#trouble) return this.#trouble;
    if (this.#seeking) return 'reading the tape';
    if (this.#atEnd()) return 'the end of the tape';
    return this.#playing ? '' : 'paused';
  }

  /** Whether there is a tape: `null` if not, else its first and last time in ms. */
  async range() {
    const { tape } = await get('tape');
    if (tape?.from == null) return null;
    this.#timeline.tape({
      from: exact(tape.from),
      to: exact(tape.to),
      began: tape.began == null ? null : exact(tape.began),
      holes: tape.holes.map((hole) => [exact(hole.from), exact(hole.to)]),
    });
    return { from: exact(tape.from), to: exact(tape.to), growing: tape.growing };
  }

  /** Goes into the past: to a moment, or a little before the end of the tape. */
  async enter(at = null) {
    if (this.on) return at == null ? null : this.seek(at);
    const range = await this.range();
    if (!range) throw new Error('Nothing is recorded here: see [tape] of the settings.');
    this.on = true;
    this.#at = Math.min(range.to, Math.max(range.from, at ?? range.to - BACK_MS));
    this.#gaps.enter();
    this.#watch.forget();
    setNow(this.#at);
    this.#market.use(this);
    this.#timer = setInterval(() => this.range().catch(() => {}), LOOK_MS);
    this.#onChange();
    return this.seek(this.#at);
  }

  /** Back to what is. */
  leave(socket) {
    if (!this.on) return;
    this.on = false;
    this.pause();
    this.#asked += 1;
    this.#fetching?.abort();
    this.#drop();
    this.#wants.clear();
    clearInterval(this.#timer);
    this.#trouble = '';
    setNow(null);
    this.#gaps.leave();
    this.#watch.forget();
    this.#market.use(socket);
    this.#onChange();
  }

  /** As `Socket.subscribe`, for what a moment of the tape brings. */
  subscribe(ask, on) {
    const want = { ask, on };
    this.#wants.add(want);
    return () => this.#wants.delete(want);
  }

  /** Goes to a moment. Of moments asked for while one is fetched only the last counts. */
  async seek(at) {
    if (!this.on) return;
    const { from, to } = this.#timeline.range;
    this.#at = Math.min(to, Math.max(from, at));
    this.#wanted = this.#at;
    this.#show();
    if (this.#seeking) return;
    this.#seeking = true;
    try {
      while (this.#wanted != null && this.on) {
        const at = this.#wanted;
        this.#wanted = null;
        await this.#goTo(at);
      }
    } finally {
      this.#seeking = false;
    }
    this.#before = performance.now();
    this.#onChange();
    this.#show();
  }

  async #goTo(at) {
    this.#drop();
    const asked = ++this.#asked;
    const inst = this.#market.inst;
    if (!inst) return;
    const page = await this.#page({ from: nanos(at), to: nanos(at + PAGE_MS[0]), state: 1 }, asked);
    if (!page || inst !== this.#market.inst) return;
    this.#gaps.enter();
    this.#watch.forget();
    setNow(at);
    this.#market.again();
    for (const record of page.state) this.#hand(record);
    this.#take(page);
    this.#market.look();
    this.#market.ticker();
  }

  play() {
    if (!this.on || this.#playing) return;
    this.#playing = true;
    this.#before = performance.now();
    this.#frame = requestAnimationFrame(this.#tick);
    this.#onChange();
  }

  pause() {
    if (!this.#playing) return;
    this.#playing = false;
    cancelAnimationFrame(this.#frame);
    this.#show();
    this.#onChange();
  }

  toggle() {
    if (this.#playing) this.pause();
    else this.play();
  }

  set speed(speed) {
    this.#speed = speed;
    this.#onChange();
  }

  /** On by so many milliseconds, back if less than 0. */
  by(ms) {
    return this.seek((this.#wanted ?? this.#at) + ms);
  }

  /** On to the next change of the book, or to the next record where there is no book. */
  async step() {
    this.pause();
    if (this.#seeking) return;
    const counts = this.#market.hasBook ? (record) => BOOKS.has(record?.type) : () => true;
    for (let pages = 0; pages < 20; pages++) {
      while (this.#ahead.length) {
        const next = this.#ahead.shift();
        this.#at = Math.max(this.#at, next.at);
        this.#give(next);
        if (next.record !== undefined && counts(next.record)) {
          setNow(this.#at);
          this.#show();
          return this.#onChange();
        }
      }
      if (this.#end || !(await this.#more())) break;
    }
    this.#show();
  }

  // --- pages ---

  #drop() {
    this.#ahead = [];
    this.#next = null;
    this.#end = false;
  }

  async #page(query, asked) {
    const index = [...this.#wants].find((want) => want.ask.channel === 'index-tickers')?.ask.inst;
    const stop = new AbortController();
    this.#fetching = stop;
    try {
      const page = await get('tape/page', { inst: this.#market.inst, index, others: 1, ...query }, stop.signal);
      this.#trouble = '';
      return asked === this.#asked && this.on ? page : null;
    } catch (error) {
      if (asked === this.#asked && this.on) this.#trouble = `The tape did not come: ${error.message}`;
      return null;
    } finally {
      if (this.#fetching === stop) this.#fetching = null;
    }
  }

  #take(page) {
    for (const record of page.records) {
      const last = this.#ahead.at(-1)?.at ?? exact(page.from);
      this.#ahead.push({ at: record ? exact(record.tsRecv) : last, record });
    }
    if (page.tickers.length) this.#ahead.push({ at: exact(page.next), tickers: page.tickers });
    this.#end = page.end;
    this.#next = page.next;
  }

  /** Fetches the next page; whether one came. */
  async #more() {
    if (this.#fetching || this.#next == null) return false;
    const long = Math.min(PAGE_MS[1], Math.max(PAGE_MS[0], this.#speed * (AHEAD_MS + 1_000)));
    const to = BigInt(this.#next) + BigInt(Math.round(long)) * 1_000_000n;
    const page = await this.#page({ from: this.#next, to: String(to) }, this.#asked);
    if (page) this.#take(page);
    return Boolean(page);
  }

  // --- pace ---

  #atEnd = () => this.#end && !this.#ahead.length;

  #tick = (now) => {
    if (!this.#playing) return;
    this.#frame = requestAnimationFrame(this.#tick);
    const gone = Math.min(250, now - this.#before);
    this.#before = now;
    if (this.#seeking || this.#next == null) return;
    const reached = exact(this.#next);
    const to = Math.min(this.#at + gone * this.#speed, Math.max(this.#at, reached));
    setNow(to);
    this.#drain(to);
    this.#at = to;
    const short = reached - this.#at < this.#speed * AHEAD_MS;
    if (short && !this.#fetching && now > this.#again) {
      if (this.#end) {
        this.#again = now + AGAIN_MS;
        if (!this.#timeline.grows && this.#atEnd()) return this.pause();
      }
      this.#more();
    }
    this.#show();
  };

  #drain(to) {
    let count = 0;
    while (count < this.#ahead.length && this.#ahead[count].at <= to) count += 1;
    for (const each of this.#ahead.splice(0, count)) this.#give(each);
  }

  #give({ record, tickers }) {
    if (tickers) {
      for (const each of tickers) this.#watch.ticker(each);
    } else if (record == null) {
      for (const want of this.#wants) want.on.reset?.(); // something is not on the tape
    } else {
      this.#hand(record);
    }
  }

  #hand(record) {
    if (record.type === 'ticker') {
      this.#watch.ticker(record);
      this.#market.ticker();
    }
    for (const { ask, on } of this.#wants) {
      if (ask.inst === record.instId && ask.channel === record.channel && on.record(record) === false) on.reset?.();
    }
  }

  #show() {
    this.#timeline.at(this.#at);
    this.#onMoment();
  }
}

/** A moment for an address: `2026-11-29T13:48:26.900Z`; back: ms, or `null` if it is none. */
export const written = (ms) => new Date(ms).toISOString();
export function read(text) {
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?Z?$/.test(text) ? Date.parse(text.endsWith('Z') ? text : `${text}Z`) : NaN;
  return Number.isNaN(at) ? null : at;
}

/** `2026-11-29 13:48:26.900`, for a person. */
export const inFull = (ms) => `${new Date(ms).toISOString().slice(0, 10)} ${clock(ms)}`;
