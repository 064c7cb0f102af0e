// The one WebSocket of the page. It connects, waits longer after each failure (with jitter), asks
// again for every subscription, and counts `seq`: a hole or a `lost` starts that subscription anew,
// so that nothing is ever shown on top of something missing.

import * as token from './token.js';
import { parseJson } from './wire.js';

const WAIT_FIRST_MS = 500;
const WAIT_MAX_MS = 20_000;
const QUIET_MS = 15_000; // no frame for so long: ask; no answer for as long again: reconnect

export class Socket {
  #wanted = new Map(); // id -> { id, ask, on, sub, seq }
  #bySub = new Map();
  #nextId = 1;
  #socket = null;
  #failures = 0;
  #timer = 0;
  #lastFrame = 0;
  #onState;

  /** `onState({ state: 'connecting' | 'open' | 'waiting', until, failures })` at each change. */
  constructor(onState) {
    this.#onState = onState;
    setInterval(() => this.#watchdog(), 5_000);
    addEventListener('online', () => this.now());
  }

  connect() {
    clearTimeout(this.#timer);
    if (token.asking()) return; // `now` is called when there is one
    this.#onState({ state: 'connecting', failures: this.#failures });
    const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`, token.protocols());
    this.#socket = socket;
    socket.onopen = () => {
      this.#failures = 0;
      this.#lastFrame = performance.now();
      this.#onState({ state: 'open', failures: 0 });
      for (const want of this.#wanted.values()) this.#ask(want);
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = () => socket === this.#socket && this.#lost();
  }

  /** Connects at once when it waits to, or never has. */
  now() {
    if (!this.#socket || this.#socket.readyState === WebSocket.CLOSED) this.connect();
  }

  /**
   * Subscribes now and after every reconnect. `on.reset()` before each fresh start, `on.record(record)`
   * for data, `on.error(text)` when refused. What `on.record` calls `false` is
   * begun anew. Returns what ends it.
   */
  subscribe(ask, on) {
    const want = { id: this.#nextId++, ask, on, sub: null, seq: 0 };
    this.#wanted.set(want.id, want);
    if (this.#socket?.readyState === WebSocket.OPEN) this.#ask(want);
    return () => {
      this.#wanted.delete(want.id);
      this.#end(want);
    };
  }

  #ask(want) {
    Object.assign(want, { sub: null, seq: 0 });
    want.on.reset?.();
    this.#send({ op: 'subscribe', id: want.id, ...want.ask });
  }

  #end(want) {
    if (want.sub == null) return;
    this.#bySub.delete(want.sub);
    this.#send({ op: 'unsubscribe', sub: want.sub });
    want.sub = null;
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #receive(data) {
    this.#lastFrame = performance.now();
    const message = parseJson(data);
    if (message.sub != null && message.type == null) {
      const want = this.#bySub.get(message.sub);
      if (!want) return;
      want.seq += 1;
      if (message.seq !== want.seq || message.lost != null) {
        this.#end(want);
        this.#ask(want);
      } else if (message.record && want.on.record(message.record) === false) {
        this.#end(want);
        this.#ask(want);
      }
      return;
    }
    const want = this.#wanted.get(message.id);
    if (message.type === 'subscribed') {
      if (want) {
        want.sub = message.sub;
        this.#bySub.set(message.sub, want);
      } else {
        this.#send({ op: 'unsubscribe', sub: message.sub }); // left before the answer came
      }
    } else if (message.type === 'error') {
      want?.on.error?.(message.message ?? message.code);
    }
  }

  #lost() {
    this.#bySub.clear();
    for (const want of this.#wanted.values()) want.sub = null;
    const wait = Math.min(WAIT_MAX_MS, WAIT_FIRST_MS * 2 ** this.#failures) * (0.75 + Math.random() / 2);
    this.#failures += 1;
    this.#onState({ state: 'waiting', until: Date.now() + wait, failures: this.#failures });
    this.#timer = setTimeout(() => this.connect(), wait);
  }

  #watchdog() {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    const quiet = performance.now() - this.#lastFrame;
    if (quiet > 2 * QUIET_MS) {
      const dead = this.#socket;
      this.#socket = null;
      dead.close();
      this.#lost();
    } else if (quiet > QUIET_MS) {
      this.#send({ op: 'ping' });
    }
  }
}
