// The head of the chosen instrument: last price, 24 hours, spread and imbalance of its book, and of
// derivatives what hangs on it: mark, index, funding, open interest, limits.

import * as decimal from './decimal.js';
import { by, make, now, put, soon, span } from './screen.js';
import { millis } from './wire.js';

const IMBALANCE_LEVELS = 10;

/** What the flat channels give: [label, how to read a record]. */
const FLAT = {
  'mark-price': [['Mark', (r) => r.markPx]],
  'index-tickers': [['Index', (r) => r.idxPx]],
  'funding-rate': [
    ['Funding', (r) => shiftPercent(r.fundingRate), (r) => `${r.fundingRate} at the next settlement`],
    ['Settles in', (r) => span(Math.max(0, millis(r.fundingTime) - now())).replace(/ \d+ s$/, '')],
  ],
  'open-interest': [['Open interest', (r) => r.oi, (r) => (r.oiUsd ? `${r.oiUsd} USD, ${r.oiCcy} coins` : '')]],
  'price-limit': [['Limits', (r) => (r.enabled === false ? 'off' : `${r.sellLmt ?? '–'} … ${r.buyLmt ?? '–'}`)]],
  'estimated-price': [['Estimated', (r) => r.settlePx]],
};
export const FLAT_CHANNELS = Object.keys(FLAT);
/** Where each stands, whichever comes first. */
const ORDER = ['Spread', 'Imbalance', '24 h high', '24 h low', '24 h volume', '24 h turnover', ...Object.values(FLAT).flatMap((facts) => facts.map(([label]) => label))];

/** A rate as a percentage, by moving the point: `0.0000158` is `0.00158%`. */
function shiftPercent(rate) {
  if (rate == null) return null;
  const { int, scale } = decimal.parse(rate);
  const shift = scale > 2 ? decimal.format(int, scale - 2) : decimal.format(int * 10n ** BigInt(2 - scale), 0);
  const [whole, fraction = ''] = shift.split('.');
  return `${whole}${fraction ? `.${fraction.slice(0, 6)}` : ''}%`;
}

export class Facts {
  #book;
  #row = null;
  #flat = new Map();
  #cells = new Map();
  #place = by('facts');
  #before = null;

  constructor(book) {
    this.#book = book;
    setInterval(() => soon(this.draw), 1_000); // the time to the settlement goes on
  }

  show(instId, row) {
    this.#row = row;
    this.#before = null;
    this.#flat.clear();
    this.#cells.clear();
    this.#place.replaceChildren();
    put(by('inst-name'), instId);
    put(by('inst-kind'), row?.instType ?? '');
    soon(this.draw);
  }

  /** A flat record (`mark_price`, `funding`, …). */
  value(channel, record) {
    this.#flat.set(channel, record);
    soon(this.draw);
  }

  draw = () => {
    const row = this.#row;
    if (!row) return;
    const last = by('inst-last');
    put(last, row.last);
    if (this.#before != null && row.last != null && row.last !== this.#before) {
      last.dataset.way = decimal.compare(row.last, this.#before) > 0 ? 'up' : 'down';
    }
    this.#before = row.last;
    const change = by('inst-change');
    put(change, row.change == null ? '' : `${row.change.startsWith('-') ? '' : '+'}${row.change}%`);
    change.dataset.way = row.change?.startsWith('-') ? 'down' : 'up';

    const { bids, asks } = this.#book;
    const [bid, ask] = [bids[0]?.[0] ?? row.bid, asks[0]?.[0] ?? row.ask];
    const spread = bid != null && ask != null ? decimal.subtract(ask, bid) : null;
    const points = spread != null ? decimal.ratio(decimal.add(spread, spread), decimal.add(ask, bid), 2, 4) : null;
    this.#fact('Spread', spread, points ? `${points} bp` : '');
    put(by('mid-spread'), spread == null ? '' : `spread ${spread}${points ? ` · ${points} bp` : ''}`);
    const mid = by('mid-price');
    put(mid, row.last ?? '');
    mid.dataset.way = last.dataset.way ?? '';
    this.#imbalance();
    this.#fact('24 h high', row.high24h);
    this.#fact('24 h low', row.low24h);
    const unit = row.instType === 'SPOT' ? '' : row.instType ? 'contracts' : '';
    this.#fact('24 h volume', decimal.short(row.volume), unit, row.volume);
    if (row.quoteVolume != null) this.#fact('24 h turnover', decimal.short(row.quoteVolume), '', row.quoteVolume);
    for (const [channel, record] of this.#flat) {
      for (const [label, read, more] of FLAT[channel] ?? []) this.#fact(label, read(record), '', more?.(record));
    }
  };

  #imbalance() {
    const sum = (side) => side.slice(0, IMBALANCE_LEVELS).reduce((total, level) => decimal.add(total, level[1]), '0');
    const [bid, ask] = [sum(this.#book.bids), sum(this.#book.asks)];
    const share = decimal.ratio(decimal.subtract(bid, ask), decimal.add(bid, ask), 0, 2);
    const cell = this.#fact('Imbalance', share == null ? null : `${share.startsWith('-') ? '' : '+'}${share}%`, '', `of the best ${IMBALANCE_LEVELS} levels: bids ${bid}, asks ${ask}`);
    if (!cell.meter) {
      cell.meter = make('i', 'fill');
      cell.append(make('span', 'meter', { 'aria-hidden': 'true' }, cell.meter));
    }
    const part = share == null ? 0.5 : (Number(share) + 100) / 200;
    cell.meter.style.transform = `scaleX(${part})`;
  }

  #fact(label, value, unit = '', more = '') {
    let cell = this.#cells.get(label);
    if (!cell) {
      cell = make('div', 'fact');
      cell.value = make('dd');
      cell.unit = make('small');
      cell.append(make('dt', '', {}, label), cell.value);
      cell.text = document.createTextNode('');
      cell.value.append(cell.text, cell.unit);
      this.#cells.set(label, cell);
      cell.rank = ORDER.indexOf(label);
      this.#place.insertBefore(cell, [...this.#place.children].find((each) => each.rank > cell.rank) ?? null);
    }
    const text = value ?? '–';
    if (cell.text.data !== text) cell.text.data = text;
    put(cell.unit, unit ? ` ${unit}` : '');
    if (cell.title !== (more ?? '')) cell.title = more ?? '';
    return cell;
  }
}
