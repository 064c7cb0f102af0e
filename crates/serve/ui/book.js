// A local copy of one book, kept from `orderbook_delta` records (or replaced whole by `orderbook`
// views, where a channel has nothing else). A change that does not link to the id before it leaves
// the book unusable until the next snapshot. Prices are compared as decimals, never as floats.

import { add, compare, toStep } from './decimal.js';

export class Book {
  id = null;
  timestamp = null;
  bids = []; // best first, [price, quantity, orders]
  asks = [];
  live = false;

  clear() {
    Object.assign(this, { id: null, timestamp: null, bids: [], asks: [], live: false });
  }

  /** Applies a record; `false` when it does not follow what is here. */
  apply(record) {
    if (record.type === 'orderbook' || record.isSnapshot) {
      this.bids = record.bids.slice();
      this.asks = record.asks.slice();
      this.live = true;
    } else {
      if (!this.live || String(record.prevUpdateId) !== String(this.id)) {
        this.live = false;
        return false;
      }
      for (const level of record.bids) set(this.bids, level, -1);
      for (const level of record.asks) set(this.asks, level, 1);
    }
    this.id = record.lastUpdateId;
    this.timestamp = record.timestamp;
    return true;
  }
}

// `order`: 1 where prices rise from the best, -1 where they fall.
function set(side, level, order) {
  let [low, high] = [0, side.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const found = compare(side[middle][0], level[0]) * order;
    if (found === 0) {
      if (isZero(level[1])) side.splice(middle, 1);
      else side[middle] = level;
      return;
    }
    if (found < 0) low = middle + 1;
    else high = middle;
  }
  if (!isZero(level[1])) side.splice(low, 0, level);
}

const isZero = (quantity) => /^0(\.0*)?$/.test(quantity);

/** The best `count` levels of a side, added up by `step` (`null`: as they are). */
export function grouped(side, step, isAsk, count) {
  if (step == null) return side.slice(0, count);
  const rows = [];
  for (const [price, quantity, orders] of side) {
    const at = toStep(price, step, isAsk);
    const last = rows[rows.length - 1];
    if (last && last[0] === at) {
      last[1] = add(last[1], quantity);
      last[2] += orders;
    } else {
      if (rows.length === count) break;
      rows.push([at, quantity, orders]);
    }
  }
  return rows;
}

/** The smallest distance between neighbouring levels: the tick, where nobody says it. */
export function finest(book, subtract) {
  let best = null;
  for (const side of [book.bids, book.asks]) {
    for (let i = 1; i < Math.min(side.length, 60); i++) {
      const gap = subtract(side[i][0], side[i - 1][0]).replace('-', '');
      if (best == null || compare(gap, best) < 0) best = gap;
    }
  }
  return best;
}
