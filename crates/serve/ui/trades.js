// The trade tape: newest on top, the taker's side by colour, larger trades stronger. Rows are reused:
// a trade moves the last row to the top and writes it. At most a screen of them exists.

import * as decimal from './decimal.js';
import { by, clock, fitting, flash, make, put, soon } from './screen.js';
import { millis } from './wire.js';

const KEEP = 80;

export class Trades {
  #body = by('tape-body');
  #rows = [];
  #waiting = [];
  #sizes = []; // of the last trades, for what counts as large
  #seen = new Set();
  #letters = 1;

  constructor() {
    new ResizeObserver(() => this.#body.clientWidth && soon(this.draw)).observe(this.#body);
  }

  clear() {
    this.#waiting = [];
    this.#sizes = [];
    this.#letters = 1;
    this.#seen.clear();
    this.#rows = [];
    this.#body.replaceChildren();
  }

  get empty() {
    return !this.#seen.size;
  }

  add(trade) {
    const id = trade.tradeId;
    if (this.#seen.has(id)) return; // the last few come again after a reconnect
    this.#seen.add(id);
    if (this.#seen.size > 2_000) this.#seen = new Set([...this.#seen].slice(-500));
    this.#waiting.push(trade);
    if (this.#waiting.length > KEEP) this.#waiting.shift();
    soon(this.draw);
  }

  draw = () => {
    const fresh = this.#waiting.splice(0);
    const flashing = fresh.length < 8;
    for (const trade of fresh) this.#letters = Math.max(this.#letters, trade.price.length + trade.quantity.length + 12);
    const fits = fitting(this.#body, this.#letters); // no digit is cut off
    if (this.#body.style.fontSize !== fits) this.#body.style.fontSize = fits;
    for (const trade of fresh) {
      const size = decimal.geometry(trade.quantity);
      this.#sizes.push(size);
      if (this.#sizes.length > 200) this.#sizes.shift();
      const row = this.#rows.length < KEEP ? rowElement() : this.#rows.shift();
      this.#rows.push(row);
      put(row.parts.price, trade.price);
      put(row.parts.quantity, trade.quantity);
      put(row.parts.time, clock(millis(trade.timestamp)));
      row.dataset.side = trade.side;
      row.title = `trade ${trade.tradeId}${trade.count > 1 ? `, ${trade.count} fills` : ''}`;
      row.dataset.id = trade.tradeId;
      const most = Math.max(...this.#sizes);
      const share = most ? size / most : 0;
      row.classList.toggle('large', share > 0.6);
      row.parts.bar.style.transform = `scaleX(${Math.sqrt(share)})`;
      this.#body.prepend(row);
      if (flashing) flash(row, trade.side === 'sell' ? 'down' : 'up');
    }
  };
}

function rowElement() {
  const parts = {
    bar: make('i', 'tp-bar'),
    price: make('span', 'tp-price', { role: 'cell' }),
    quantity: make('span', 'tp-size', { role: 'cell' }),
    time: make('span', 'tp-time', { role: 'cell' }),
  };
  const row = make('div', 'tp', { role: 'row' });
  row.append(...Object.values(parts));
  row.parts = parts;
  return row;
}
