// Bars and volume, drawn by TradingView's Lightweight Charts. The library draws with floats: they are
// pixels here. What is read as text (open, high, low, close, volume of a bar) comes from the record.

import * as decimal from './decimal.js';
import { by, clock, colour, make, put, soon } from './screen.js';
import { get } from './wire.js';

const PAGE = 500;

/** The interval of a channel of bars as records name it: `candle1H` is `1h`; `null` for others. */
export function intervalOf(channel) {
  const found = /^(?:sprd-)?candle(\d+)([smHDWMYy])(utc)?$/.exec(channel);
  if (!found) return null;
  const unit = { H: 'h', D: 'd', W: 'w', Y: 'y' }[found[2]] ?? found[2];
  return found[1] + unit + (found[3] ? '@utc' : '');
}

const INTERVAL_MS = { s: 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5, M: 26784e5, y: 316224e5 };
/** How long a bar of an interval is at most, in ms. */
export const lengthOf = (interval) => parseInt(interval, 10) * INTERVAL_MS[/\d+([a-zA-Z])/.exec(interval)[1]];

export class Chart {
  #chart;
  #bars;
  #volumes;
  #records = new Map(); // seconds -> record
  #places = 2;
  #hovered = null;
  #last = null;
  #wanted = 0; // counts the loads, so that a late answer to an earlier one is dropped
  #query = null;
  #older = 'idle';
  #rewound = 0;

  constructor() {
    const library = globalThis.LightweightCharts;
    this.#chart = library.createChart(by('chart-body'), {
      autoSize: true,
      layout: { attributionLogo: false, fontSize: 11 },
      timeScale: { timeVisible: true, rightOffset: 4, minBarSpacing: 1 },
      rightPriceScale: { scaleMargins: { top: 0.08, bottom: 0.24 } },
      crosshair: { mode: library.CrosshairMode.Normal },
      localization: { locale: 'en-GB' },
    });
    const priceFormat = { type: 'custom', minMove: 1e-9, formatter: (price) => price.toFixed(this.#places) };
    this.#bars = this.#chart.addSeries(library.CandlestickSeries, { priceFormat, borderVisible: false });
    this.#volumes = this.#chart.addSeries(library.HistogramSeries, {
      priceScaleId: 'volume',
      priceFormat: { type: 'volume' },
      lastValueVisible: false,
      priceLineVisible: false,
    });
    this.#chart.priceScale('volume').applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.#chart.subscribeCrosshairMove(({ time }) => {
      this.#hovered = time ?? null;
      soon(this.#legend);
    });
    this.#chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (range && range.from < 20) this.#more();
    });
    this.theme();
  }

  /** Takes the colours of the style sheet. */
  theme() {
    const [up, down, line, text] = ['--up', '--down', '--line', '--text-2'].map(colour);
    this.#chart.applyOptions({
      layout: { background: { type: 'solid', color: colour('--panel') }, textColor: text, fontFamily: colour('--mono') },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
      rightPriceScale: { borderColor: line },
      timeScale: { borderColor: line },
      crosshair: {
        vertLine: { color: text, labelBackgroundColor: colour('--chip') },
        horzLine: { color: text, labelBackgroundColor: colour('--chip') },
      },
    });
    this.#bars.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down });
    this.#fill();
  }

  clear() {
    this.#wanted += 1;
    this.#query = null;
    this.#records.clear();
    this.#last = this.#hovered = null;
    this.#bars.setData([]);
    this.#volumes.setData([]);
    this.#legend();
  }

  /**
   * Bars so far; those that arrive meanwhile are kept. Resolves to how many there are. `until`: as of
   * that time, at which the last one was not complete.
   */
  async load(inst, interval, until = null) {
    this.clear();
    const wanted = this.#wanted;
    const klines = await this.#complete({ inst, interval, limit: PAGE }, until);
    if (wanted !== this.#wanted) return null;
    this.#query = { inst, interval };
    this.#older = klines.length < PAGE ? 'none' : 'idle';
    const live = [...this.#records.values()];
    for (const record of [...klines, ...live]) this.#take(record);
    this.#fill();
    const scale = this.#chart.timeScale();
    scale.applyOptions({ secondsVisible: interval.endsWith('s') });
    const size = this.#records.size;
    scale.setVisibleLogicalRange({ from: size - Math.min(120, Math.max(40, size)), to: size + 3 });
    return size;
  }

  async #complete(query, until) {
    const { klines } = await get('klines', until == null ? query : { ...query, to: Math.floor(until) });
    const long = lengthOf(query.interval);
    return until == null ? klines : klines.filter((record) => record.openTime + long <= until);
  }

  /** Back, or on, to a time: bars that were not complete at it are forgotten, what is missing comes. */
  async rewind(until) {
    if (!this.#query) return;
    const { inst, interval } = this.#query;
    const long = lengthOf(interval);
    for (const [at, record] of this.#records) if (record.openTime + long > until) this.#records.delete(at);
    this.#last = [...this.#records.values()].reduce((a, b) => (a && a.openTime > b.openTime ? a : b), null);
    this.#fill();
    const asked = ++this.#rewound;
    const wanted = this.#wanted;
    const klines = await this.#complete({ inst, interval, limit: PAGE }, until).catch(() => []);
    if (wanted !== this.#wanted || asked !== this.#rewound) return;
    for (const record of klines) if (!this.#records.has(record.openTime / 1000)) this.#take(record);
    this.#fill();
  }

  /** A `kline` record. */
  record(record) {
    const later = !this.#last || record.openTime >= this.#last.openTime;
    this.#take(record);
    if (!this.#query) return;
    if (!later) this.#fill();
    else {
      const point = this.#point(record);
      this.#bars.update(point.bar);
      this.#volumes.update(point.volume);
      soon(this.#legend);
    }
  }

  get size() {
    return this.#records.size;
  }

  #take(record) {
    if (record.open == null || record.close == null) return;
    this.#records.set(record.openTime / 1000, record);
    if (!this.#last || record.openTime >= this.#last.openTime) this.#last = record;
    this.#places = Math.max(...[record.open, record.high, record.low, record.close].map(decimal.places), this.#records.size > 1 ? this.#places : 0);
  }

  #point(record) {
    const time = record.openTime / 1000;
    const [open, high, low, close] = [record.open, record.high, record.low, record.close].map(decimal.geometry);
    const value = decimal.geometry(record.volume);
    return {
      bar: { time, open, high, low, close },
      volume: { time, value: Number.isFinite(value) ? value : 0, color: colour(close >= open ? '--up-wash' : '--down-wash') },
    };
  }

  #fill() {
    const points = [...this.#records.keys()].sort((a, b) => a - b).map((at) => this.#point(this.#records.get(at)));
    this.#bars.setData(points.map((point) => point.bar));
    this.#volumes.setData(points.map((point) => point.volume));
    this.#legend();
  }

  async #more() {
    if (this.#older !== 'idle' || !this.#query || !this.#records.size) return;
    this.#older = 'asked';
    const wanted = this.#wanted;
    const before = Math.min(...this.#records.keys()) * 1000;
    try {
      const { klines } = await get('klines', { ...this.#query, limit: PAGE, before });
      if (wanted !== this.#wanted) return;
      const known = this.#records.size;
      for (const record of klines) if (record.openTime < before) this.#take(record);
      const gained = this.#records.size - known;
      this.#older = gained ? 'idle' : 'none';
      if (gained) {
        const range = this.#chart.timeScale().getVisibleLogicalRange();
        this.#fill();
        if (range) this.#chart.timeScale().setVisibleLogicalRange({ from: range.from + gained, to: range.to + gained });
      }
    } catch {
      this.#older = 'none';
    }
  }

  #legend = () => {
    const record = (this.#hovered != null && this.#records.get(this.#hovered)) || this.#last;
    const legend = by('chart-legend');
    if (!legend.parts) {
      legend.parts = {};
      for (const [key, label] of [['time', ''], ['open', 'O'], ['high', 'H'], ['low', 'L'], ['close', 'C'], ['volume', 'V']]) {
        legend.parts[key] = make('b');
        legend.append(make('span', '', {}, label, legend.parts[key]));
      }
    }
    legend.hidden = !record;
    if (!record) return;
    const day = new Date(record.openTime).toISOString().slice(5, 10);
    put(legend.parts.time, `${day} ${clock(record.openTime, false).replace(/:00$/, '')}`);
    for (const key of ['open', 'high', 'low', 'close', 'volume']) put(legend.parts[key], record[key]);
    legend.dataset.way = decimal.compare(record.close, record.open) < 0 ? 'down' : 'up';
  };
}
