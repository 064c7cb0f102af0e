// The chosen instrument: which of its channels are shown, their subscriptions, and the state of each
// panel (loading, live, empty, stale). Leaving an instrument ends what was begun for it.

import { Book, finest } from './book.js';
import { Chart, intervalOf, lengthOf } from './chart.js';
import { steps, subtract } from './decimal.js';
import { Depth } from './depth.js';
import { FLAT_CHANNELS, Facts } from './facts.js';
import { inWords } from './gaps.js';
import { Ladder } from './ladder.js';
import { by, clock, make, now, put, soon } from './screen.js';
import { Trades } from './trades.js';
import { get, millis } from './wire.js';

/** Channels with a book, the deepest and most complete first. */
const BOOKS = ['books', 'books-l2-tbt', 'books50-l2-tbt', 'sprd-books-l2-tbt', 'books-rpi', 'books5', 'sprd-books5', 'bbo-tbt', 'sprd-bbo-tbt'];
const TRADES = ['trades', 'trades-all', 'sprd-public-trades', 'option-trades'];
const UNITS = { base: 'base coin', contracts: 'contracts', quote: 'quote coin' };

export class Market {
  #source; // the socket, or in a replay the tape
  #watch;
  #gaps;
  #inst = null;
  #ends = []; // what ends the subscriptions of the instrument
  #endBars = null;
  #book = new Book();
  #ladder = new Ladder(this.#book);
  #depth = new Depth(this.#book);
  #trades = new Trades();
  #facts = new Facts(this.#book);
  #chart = new Chart();
  #channels = { book: null, trades: null, bars: null };
  #steps = [];
  #step = 0;
  #intervals = [];
  #interval = null;
  #bookAt = null;
  #bookWhy = null;
  #asked = 0;

  constructor({ socket, watch, gaps }) {
    this.#source = socket;
    this.#watch = watch;
    this.#gaps = gaps;
    setInterval(() => this.#lookAtBook(), 2_000);
  }

  get inst() {
    return this.#inst;
  }

  /** Whether a book of it is followed. */
  get hasBook() {
    return Boolean(this.#channels.book);
  }

  /** From here on records come from `source`: the socket, or a replay. */
  use(source) {
    this.#source = source;
    const inst = this.#inst;
    this.#inst = null;
    if (inst) this.choose(inst);
  }

  /** The same instrument as it was at another moment, which comes next. */
  again() {
    this.#book.clear();
    this.#ladder.clear();
    soon(this.#depth.draw);
    this.#trades.clear();
    this.#facts.show(this.#inst, this.#watch.row(this.#inst));
    if (this.#channels.bars) this.#chart.rewind(now());
  }

  choose(instId) {
    if (instId === this.#inst) return;
    for (const end of this.#ends.splice(0)) end();
    this.#endBars?.();
    this.#endBars = null;
    this.#asked += 1;
    const row = this.#watch.row(instId);
    this.#inst = instId;
    this.#book.clear();
    this.#trades.clear();
    this.#ladder.clear();
    this.#chart.clear();
    this.#facts.show(instId, row);
    this.#steps = [];
    this.#bookAt = this.#bookWhy = null;
    by('steps').replaceChildren();
    by('intervals').replaceChildren();
    this.#channels = { book: null, trades: null, bars: null };
    if (!row) {
      for (const panel of ['head', 'chart', 'depth', 'ladder', 'tape']) state(panel, 'empty', `${instId} is not followed here.`);
      return;
    }
    state('head', 'live');
    const has = new Set(row.channels);
    this.#beginBook(BOOKS.find((channel) => has.has(channel)));
    this.#beginTrades(TRADES.find((channel) => has.has(channel)));
    this.#beginBars(row.channels);
    this.#beginFlat(row.channels);
    this.look();
  }

  /** A `ticker` of the chosen instrument came. */
  ticker() {
    soon(this.#facts.draw);
  }

  /** Other colours. */
  theme() {
    this.#chart.theme();
    soon(this.#depth.draw);
  }

  /** The next coarser (1) or finer (-1) price step. */
  stepBy(by) {
    this.#setStep(Math.min(this.#steps.length - 1, Math.max(0, this.#step + by)));
  }

  /** The next longer (1) or shorter (-1) bars. */
  intervalBy(by) {
    const at = this.#intervals.findIndex((each) => each.interval === this.#interval);
    const next = this.#intervals[at + by];
    if (next) this.#setInterval(next);
  }

  /** Greys what is stale and says why; called when gaps change. */
  look() {
    const inst = this.#inst;
    if (!inst) return;
    const of = (channel) => (channel ? this.#gaps.of(inst, channel) : null);
    const { past } = this.#source;
    const stale = (panel, gap) => state(panel, 'stale', `Stale: ${inWords(gap.cause)}.`, gap.since);
    const book = of(this.#channels.book) ?? this.#bookWhy;
    for (const panel of ['ladder', 'depth']) {
      if (!this.#channels.book) state(panel, 'empty', 'No book of it is followed.');
      else if (book) stale(panel, book);
      else if (!this.#book.live) state(panel, 'loading', past ? 'There is no proven book at this moment.' : 'Waiting for the book.');
      else state(panel, 'live');
    }
    const trades = of(this.#channels.trades);
    if (!this.#channels.trades) state('tape', 'empty', 'Its trades are not followed.');
    else if (trades) stale('tape', trades);
    else if (this.#trades.empty) state('tape', 'empty', past ? 'No trade in the minute before.' : 'No trade yet.');
    else state('tape', 'live');
    const bars = of(this.#channels.bars);
    if (!this.#channels.bars) state('chart', 'empty', 'No bars of it are followed.');
    else if (bars) stale('chart', bars);
    else if (!this.#chart.size) state('chart', 'loading', past ? 'No bars of this time are kept.' : 'Waiting for bars.');
    else state('chart', 'live');
    const any = this.#gaps.of(inst);
    const warn = by('inst-warn');
    warn.hidden = !any;
    if (any) put(warn, `${any.channel} stale since ${clock(any.since, false)}: ${inWords(any.cause)}`);
  }

  #on(channel, record, reset = () => {}) {
    this.#ends.push(this.#source.subscribe({ inst: this.#inst, channel, policy: 'gap' }, {
      reset,
      record: (each) => (each.type === 'gap' ? this.#gaps.record(each) : record(each)),
      error: (text) => console.info(`${channel}: ${text}`),
    }));
  }

  #beginBook(channel) {
    this.#channels.book = channel ?? null;
    put(by('ladder-channel'), channel ?? '');
    if (!channel) return;
    const again = () => {
      this.#book.clear();
      this.look();
    };
    this.#on(channel, (record) => {
      if (record.type !== 'orderbook_delta' && record.type !== 'orderbook') return;
      const first = !this.#book.live;
      // Before the first snapshot of a stale book there is nothing to link to: that is awaited.
      if (!this.#book.live && record.type === 'orderbook_delta' && !record.isSnapshot) return;
      if (!this.#book.apply(record)) return false;
      this.#bookAt = millis(record.tsRecv);
      this.#bookWhy = null;
      if (first) this.#firstBook(record);
      soon(this.#ladder.draw);
      soon(this.#depth.draw);
      soon(this.#facts.draw);
    }, again);
  }

  async #firstBook(record) {
    this.look();
    put(by('ladder-unit'), `Size, ${UNITS[record.unit] ?? 'as sent'}`);
    if (this.#steps.length) return;
    const asked = this.#asked;
    let tick = null;
    try {
      const { instruments } = await get('instruments', { q: this.#inst, limit: 50 });
      tick = instruments.find((each) => each.instId === this.#inst)?.instrument?.tickSz || null;
    } catch {
      // The book itself shows how fine it is.
    }
    if (asked !== this.#asked) return;
    tick ??= finest(this.#book, subtract);
    this.#steps = tick ? [null, ...steps(tick, 5).slice(1)] : [null];
    by('steps').replaceChildren(...this.#steps.map((step, i) => {
      const button = make('button', '', { type: 'button', title: step ? `levels added up by ${step}` : 'levels as they are' }, step ?? tick ?? '1');
      button.addEventListener('click', () => this.#setStep(i));
      return button;
    }));
    this.#setStep(0);
  }

  #setStep(i) {
    if (!this.#steps.length) return;
    this.#step = i;
    this.#ladder.step = this.#steps[i];
    press(by('steps'), i);
  }

  async #beginTrades(channel) {
    this.#channels.trades = channel ?? null;
    if (!channel) return;
    const asked = this.#asked;
    const take = (record) => {
      if (record.type === 'trade') this.#trades.add(record);
      else if (record.px) this.#trades.add({ ...record, price: record.px, quantity: record.sz });
      else return;
      if (record.unit) put(by('tape-unit'), `Size, ${UNITS[record.unit] ?? 'as sent'}`);
      if (by('tape').dataset.state !== 'live') this.look();
    };
    try {
      const { trades } = this.#source.past ? { trades: [] } : await get('trades', { inst: this.#inst, limit: 80 });
      if (asked !== this.#asked) return;
      trades.forEach(take);
    } catch {
      if (asked !== this.#asked) return; // the subscription has the last few
    }
    this.#on(channel, take);
    this.look();
  }

  #beginBars(channels) {
    this.#intervals = channels
      .map((channel) => ({ channel, interval: intervalOf(channel) }))
      .filter((each) => each.interval)
      .sort((a, b) => lengthOf(a.interval) - lengthOf(b.interval));
    by('intervals').replaceChildren(...this.#intervals.map((each) => {
      const button = make('button', '', { type: 'button' }, each.interval);
      button.addEventListener('click', () => this.#setInterval(each));
      return button;
    }));
    const kept = this.#intervals.find((each) => each.interval === this.#interval) ?? this.#intervals.find((each) => each.interval === '1m') ?? this.#intervals[0];
    if (kept) this.#setInterval(kept);
  }

  async #setInterval({ channel, interval }) {
    this.#endBars?.();
    this.#interval = interval;
    this.#channels.bars = channel;
    press(by('intervals'), this.#intervals.findIndex((each) => each.interval === interval));
    const loaded = this.#chart.load(this.#inst, interval, this.#source.past ? now() : null);
    this.#endBars = this.#source.subscribe({ inst: this.#inst, channel, policy: 'gap' }, {
      record: (record) => {
        if (record.type === 'gap') return this.#gaps.record(record);
        if (record.type !== 'kline') return;
        this.#chart.record(record);
        if (by('chart').dataset.state === 'loading') this.look();
      },
    });
    this.look();
    const asked = this.#asked;
    try {
      await loaded;
    } catch (error) {
      if (asked === this.#asked) state('chart', 'empty', String(error.message));
      return;
    }
    if (asked === this.#asked) this.look();
  }

  async #beginFlat(channels) {
    const asked = this.#asked;
    for (const channel of FLAT_CHANNELS) if (channels.includes(channel)) this.#on(channel, (record) => this.#facts.value(channel, record));
    try {
      // A replay brings them itself.
      const { values } = this.#source.past ? { values: {} } : await get('values', { inst: this.#inst });
      if (asked !== this.#asked) return;
      for (const channel of FLAT_CHANNELS) if (values[channel]) this.#facts.value(channel, values[channel]);
    } catch {
      // Not every instrument has any.
    }
    const index = this.#inst.split('-').slice(0, 2).join('-');
    const row = this.#watch.row(index);
    if (asked === this.#asked && row?.channels.includes('index-tickers') && index !== this.#inst) {
      this.#ends.push(this.#source.subscribe({ inst: index, channel: 'index-tickers', policy: 'conflate', interval: 250 }, {
        record: (record) => record.idxPx && this.#facts.value('index-tickers', record),
      }));
    }
  }

  /** Asks what the server thinks of the book: its word counts when no gap record reached this page. */
  async #lookAtBook() {
    if (!this.#inst || !this.#channels.book || document.hidden || this.#source.past) return;
    const asked = this.#asked;
    try {
      const book = await get('book', { inst: this.#inst, channel: this.#channels.book, depth: 1 });
      if (asked !== this.#asked) return;
      const why = book.state === 'stale' ? { cause: book.why, since: this.#bookAt ?? millis(book.tsRecv) } : null;
      if (Boolean(why) !== Boolean(this.#bookWhy)) {
        this.#bookWhy = why;
        this.look();
      }
    } catch {
      // No answer: the banner says so.
    }
  }
}

/** The state of a panel and, if it is not live, the words over it. */
export function state(panel, word, text = '', since = null) {
  const element = by(panel);
  if (element.dataset.state !== word) element.dataset.state = word;
  const notice = element.querySelector('.notice');
  if (notice) put(notice, since ? `${text} Since ${clock(since)} UTC.` : text);
}

function press(group, at) {
  [...group.children].forEach((button, i) => button.setAttribute('aria-pressed', i === at));
}
