// The watch list: every followed instrument, filtered and sorted, of which only the rows on screen
// exist. A price that moves touches its own row, in the next animation frame, and nothing else.

import * as decimal from './decimal.js';
import { by, canvas, colour, flash, make, put, soon } from './screen.js';
import { get } from './wire.js';

const ROW = 44;
const SORT_EVERY_MS = 2_000; // sorted by what moves, the list settles this often
const KEEP_POINTS = 60;
const SPARK = [46, 26]; // as in the style sheet

export class Watch {
  #rows = new Map(); // instId -> row
  #shown = []; // rows as filtered and sorted
  #pool = []; // elements, with the row that each shows
  #changed = new Set();
  #chosen = null;
  #active = 0;
  #sort = { key: 'order', down: false };
  #filter = '';
  #gaps;
  #onChoose;
  #list = by('watch-list');
  #space = by('watch-space');

  constructor({ onChoose, gaps }) {
    this.#onChoose = onChoose;
    this.#gaps = gaps;
    this.#list.addEventListener('scroll', () => soon(this.#draw), { passive: true });
    new ResizeObserver(() => soon(this.#draw)).observe(this.#list);
    by('filter').addEventListener('input', (event) => {
      this.#filter = event.target.value.trim().toUpperCase();
      this.#active = 0;
      this.#list.scrollTop = 0;
      this.#arrange();
    });
    for (const button of document.querySelectorAll('[data-sort]')) {
      button.addEventListener('click', () => this.#sortBy(button.dataset.sort));
    }
    for (const place of [this.#list, by('filter')]) place.addEventListener('keydown', (event) => this.#key(event));
    this.#list.addEventListener('click', (event) => {
      const element = event.target.closest('.mk');
      if (element?.row) this.#choose(element.row);
    });
    this.#list.addEventListener('focus', () => soon(this.#draw));
    setInterval(() => this.#sort.key !== 'order' && this.#sort.key !== 'name' && this.#arrange(), SORT_EVERY_MS);
  }

  /** Asks for the whole list; returns whether it came. */
  async load() {
    const { watch } = await get('watch');
    const seen = new Set();
    watch.forEach((fresh, order) => {
      seen.add(fresh.instId);
      const row = this.#rows.get(fresh.instId) ?? { instId: fresh.instId, points: [] };
      // The socket is ahead of REST: what is live already stays.
      const live = row.live ? { last: row.last, open24h: row.open24h } : {};
      Object.assign(row, fresh, live, { order });
      row.points = (fresh.spark ?? []).map(decimal.geometry).filter(Number.isFinite);
      this.#figure(row);
      this.#rows.set(row.instId, row);
      this.#changed.add(row);
    });
    for (const id of this.#rows.keys()) if (!seen.has(id)) this.#rows.delete(id);
    this.#arrange();
  }

  /** Takes in what is followed since, and nothing of what moves. */
  async names() {
    const { watch } = await get('watch');
    const known = this.#rows.size;
    watch.forEach(({ instId, instType, channels }, order) => {
      if (!this.#rows.has(instId)) this.#rows.set(instId, { instId, instType, channels, order, points: [] });
    });
    if (this.#rows.size !== known) this.#arrange();
  }

  /** What moves is of another time and not known yet. */
  forget() {
    for (const row of this.#rows.values()) {
      for (const name of ['last', 'open24h', 'high24h', 'low24h', 'bid', 'ask', 'volume', 'quoteVolume', 'baseVolume', 'stale']) row[name] = null;
      Object.assign(row, { change: null, turnover: 0, points: [], tip: null, live: false, moved: 0 });
      this.#changed.add(row);
    }
    soon(this.#refresh);
  }

  row = (instId) => this.#rows.get(instId);
  first = () => this.#rows.values().next().value?.instId ?? null;
  get size() {
    return this.#rows.size;
  }

  /** A `ticker` record. */
  ticker(record) {
    const row = this.#rows.get(record.instId);
    if (!row) return;
    const before = row.last;
    const { price, open24h, high24h, low24h, bid, ask, volume, quoteVolume, baseVolume } = record;
    Object.assign(row, { last: price, open24h, high24h, low24h, bid, ask, volume, quoteVolume, baseVolume, live: true });
    if (before !== price) {
      row.moved = before == null || price == null ? 0 : decimal.compare(price, before);
      const point = decimal.geometry(price);
      if (Number.isFinite(point)) row.tip = point;
      this.#figure(row);
    }
    this.#changed.add(row);
    soon(this.#refresh);
  }

  #figure(row) {
    row.change = decimal.percent(row.open24h, row.last);
    const coins = row.quoteVolume != null ? 1 : decimal.geometry(row.last);
    row.turnover = decimal.geometry(row.quoteVolume ?? row.baseVolume ?? row.volume ?? '0') * (coins || 0);
  }

  choose(instId) {
    this.#chosen = instId;
    this.#active = Math.max(0, this.#shown.findIndex((row) => row.instId === instId));
    this.#show(this.#active);
    soon(this.#draw);
  }

  /** The neighbour of the chosen instrument in the list as it is shown. */
  neighbour(by) {
    const at = this.#shown.findIndex((row) => row.instId === this.#chosen);
    const row = this.#shown[Math.min(this.#shown.length - 1, Math.max(0, at + by))];
    if (row && row.instId !== this.#chosen) this.#choose(row);
  }

  /** Draws all of it again: another theme, a gap that opened or closed. */
  redraw() {
    for (const element of this.#pool) this.#changed.add(element.row);
    soon(this.#refresh);
  }

  #choose(row) {
    this.#active = this.#shown.indexOf(row);
    this.#onChoose(row.instId);
  }

  #sortBy(key) {
    if (this.#sort.key === key) {
      if (this.#sort.down === (key !== 'name')) this.#sort.down = !this.#sort.down;
      else this.#sort = { key: 'order', down: false };
    } else {
      this.#sort = { key, down: key !== 'name' };
    }
    this.#arrange();
  }

  #arrange() {
    const { key, down } = this.#sort;
    const words = this.#filter.split(/\s+/);
    const rows = [...this.#rows.values()].filter((row) => words.every((word) => `${row.instId} ${row.instType}`.includes(word)));
    const value = {
      order: (row) => row.order,
      name: (row) => row.instId,
      change: (row) => (row.change == null ? -Infinity : Number(row.change)),
      turnover: (row) => row.turnover || 0,
    }[key];
    rows.sort((a, b) => ((value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : a.order - b.order)) * (down ? -1 : 1));
    this.#shown = rows;
    this.#space.style.height = `${rows.length * ROW}px`;
    for (const button of document.querySelectorAll('[data-sort]')) {
      const on = button.dataset.sort === key;
      button.setAttribute('aria-pressed', on);
      button.dataset.way = on ? (down ? 'down' : 'up') : '';
    }
    put(by('watch-count'), this.#filter ? `${rows.length} of ${this.#rows.size}` : String(this.#rows.size));
    const empty = by('watch-empty');
    empty.hidden = rows.length > 0;
    put(empty, this.#rows.size ? 'Nothing here has that in its name.' : 'No instrument is followed. Add some under [[subscribe]] of the settings.');
    soon(this.#draw);
  }

  #draw = () => {
    const first = Math.max(0, Math.floor(this.#list.scrollTop / ROW));
    const need = Math.min(this.#shown.length - first, Math.ceil(this.#list.clientHeight / ROW) + 1);
    while (this.#pool.length < need) {
      const element = rowElement(this.#pool.length);
      this.#pool.push(element);
      this.#space.append(element);
    }
    this.#pool.forEach((element, i) => {
      const row = i < need ? this.#shown[first + i] : null;
      element.hidden = !row;
      if (!row) {
        element.row = null;
        return;
      }
      element.style.transform = `translateY(${(first + i) * ROW}px)`;
      element.setAttribute('aria-posinset', first + i + 1);
      element.setAttribute('aria-setsize', this.#shown.length);
      element.setAttribute('aria-selected', row.instId === this.#chosen);
      const active = first + i === this.#active;
      element.classList.toggle('active', active);
      if (active) this.#list.setAttribute('aria-activedescendant', element.id);
      if (element.row !== row) {
        element.row = row;
        this.#fill(element, row, false);
      }
    });
  };

  #refresh = () => {
    for (const element of this.#pool) {
      if (element.row && this.#changed.has(element.row)) this.#fill(element, element.row, true);
    }
    for (const row of this.#changed) if (row) row.moved = 0;
    this.#changed.clear();
  };

  #fill(element, row, moving) {
    const { parts } = element;
    if (parts.name.textContent !== row.instId) {
      put(parts.name, row.instId);
      element.title = row.instId;
      element.dataset.inst = row.instId;
    }
    put(parts.last, row.last);
    put(parts.change, row.change == null ? '–' : `${row.change.startsWith('-') ? '' : '+'}${row.change}%`);
    element.dataset.way = way(row.change);
    const turnover = row.quoteVolume ?? row.volume;
    put(parts.kind, row.instType ?? '');
    put(parts.turnover, turnover == null ? '' : `${decimal.short(turnover)}${row.quoteVolume == null && row.instType !== 'SPOT' ? ' ct' : ''}`);
    const stale = this.#gaps.of(row.instId) ?? row.stale;
    element.classList.toggle('gap', Boolean(stale));
    element.title = stale ? `${row.instId}: ${stale.channel} is stale (${stale.cause})` : row.instId;
    if (moving && row.moved) flash(parts.last, row.moved > 0 ? 'up' : 'down');
    drawSpark(parts.spark, row);
  }

  #show(index) {
    const top = index * ROW;
    if (top < this.#list.scrollTop) this.#list.scrollTop = top;
    else if (top + ROW > this.#list.scrollTop + this.#list.clientHeight) this.#list.scrollTop = top + ROW - this.#list.clientHeight;
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.#list.clientHeight / ROW) - 1);
    const inFilter = event.target.id === 'filter';
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: inFilter ? 0 : -Infinity, End: inFilter ? 0 : Infinity }[event.key];
    if (by) {
      this.#active = Math.min(this.#shown.length - 1, Math.max(0, this.#active + by));
      this.#show(this.#active);
      soon(this.#draw);
      event.preventDefault();
    } else if (event.key === 'Enter' && this.#shown[this.#active]) {
      this.#choose(this.#shown[this.#active]);
      event.preventDefault();
    }
  }
}

const way = (change) => (change == null || /^-?0(\.0*)?$/.test(change) ? 'flat' : change.startsWith('-') ? 'down' : 'up');

function rowElement(number) {
  const parts = {
    name: make('span', 'mk-name'),
    kind: make('span', 'mk-kind'),
    turnover: make('span', 'mk-turnover'),
    spark: make('canvas', 'mk-spark', { 'aria-hidden': 'true' }),
    last: make('span', 'mk-last'),
    change: make('span', 'mk-change'),
  };
  const element = make('div', 'mk', { role: 'option', id: `mk-${number}` });
  element.append(
    make('span', 'mk-left', {}, parts.name, make('span', 'mk-sub', {}, parts.kind, parts.turnover)),
    parts.spark,
    make('span', 'mk-right', {}, parts.last, parts.change),
  );
  element.parts = parts;
  return element;
}

function drawSpark(element, row) {
  const points = row.tip == null ? row.points : [...row.points.slice(1 - KEEP_POINTS), row.tip];
  const { paint, width, height } = canvas(element, SPARK);
  if (points.length < 2) return;
  const [low, high] = [Math.min(...points), Math.max(...points)];
  const y = (value) => height - 2 - ((value - low) / (high - low || 1)) * (height - 4);
  const x = (i) => 1 + (i / (points.length - 1)) * (width - 2);
  paint.beginPath();
  points.forEach((value, i) => paint.lineTo(x(i), y(value)));
  paint.strokeStyle = colour(points[points.length - 1] >= points[0] ? '--up' : '--down');
  paint.lineWidth = 1.25;
  paint.lineJoin = 'round';
  paint.stroke();
}
