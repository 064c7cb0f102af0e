// The ladder: asks above, bids below, best in the middle; a bar for each size and a fainter one for
// what has added up, a wash of colour where a size changed. Prices and sizes are shown as sent, sums
// are exact. `data-id` of the body is the id of the book that is drawn.

import { grouped } from './book.js';
import * as decimal from './decimal.js';
import { by, fitting, flash, make, put, soon } from './screen.js';

const ROW = 20;

export class Ladder {
  #book;
  #body = by('ladder-body');
  #rows = { bids: [], asks: [] };
  #before = new Map(); // side and price -> quantity, as drawn last
  #step = null;

  constructor(book) {
    this.#book = book;
    new ResizeObserver(() => this.#resize()).observe(this.#body);
  }

  /** `null`: levels as they are. */
  set step(step) {
    this.#step = step;
    this.#before.clear();
    soon(this.draw);
  }

  clear() {
    this.#before.clear();
    soon(this.draw);
  }

  #resize() {
    const each = Math.max(3, Math.floor((this.#body.clientHeight - 26) / ROW / 2));
    if (each === this.#rows.bids.length) return;
    for (const [side, place] of [['asks', by('ladder-asks')], ['bids', by('ladder-bids')]]) {
      place.replaceChildren();
      this.#rows[side] = Array.from({ length: each }, () => rowElement(side));
      place.append(...(side === 'asks' ? [...this.#rows[side]].reverse() : this.#rows[side]));
    }
    this.#before.clear();
    soon(this.draw);
  }

  draw = () => {
    const book = this.#book;
    const count = this.#rows.bids.length;
    if (!count) return;
    const views = {};
    let most = 0;
    let deepest = 0;
    let letters = 1;
    for (const side of ['asks', 'bids']) {
      let total = '0';
      views[side] = grouped(book[side], this.#step, side === 'asks', count).map(([price, quantity, orders]) => {
        total = decimal.add(total, quantity);
        most = Math.max(most, decimal.geometry(quantity));
        letters = Math.max(letters, 3 * Math.max(price.length, quantity.length, total.length));
        return { price, quantity, orders, total };
      });
      deepest = Math.max(deepest, decimal.geometry(total));
    }
    // No digit is ever cut off: longer numbers are set smaller.
    const size = fitting(this.#body, letters);
    if (this.#body.style.fontSize !== size) this.#body.style.fontSize = size;
    const drawn = new Map();
    for (const side of ['asks', 'bids']) {
      this.#rows[side].forEach((row, i) => {
        const level = views[side][i];
        row.classList.toggle('none', !level);
        if (!level) return;
        put(row.parts.price, level.price);
        put(row.parts.quantity, level.quantity);
        put(row.parts.total, level.total);
        row.parts.bar.style.transform = `scaleX(${most ? decimal.geometry(level.quantity) / most : 0})`;
        row.parts.sum.style.transform = `scaleX(${deepest ? decimal.geometry(level.total) / deepest : 0})`;
        const key = side + level.price;
        const before = this.#before.get(key);
        drawn.set(key, level.quantity);
        if (this.#before.size && before !== level.quantity) flash(row, side === 'bids' ? 'up' : 'down');
      });
    }
    this.#before = drawn;
    this.#body.dataset.id = book.id ?? '';
    this.#body.dataset.step = this.#step ?? '';
  };
}

function rowElement(side) {
  const parts = {
    sum: make('i', 'ld-sum'),
    bar: make('i', 'ld-bar'),
    price: make('span', 'ld-price', { role: 'cell' }),
    quantity: make('span', 'ld-size', { role: 'cell' }),
    total: make('span', 'ld-total', { role: 'cell' }),
  };
  const row = make('div', `ld ${side} none`, { role: 'row' });
  row.append(...Object.values(parts));
  row.parts = parts;
  return row;
}
