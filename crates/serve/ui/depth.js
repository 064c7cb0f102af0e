// The cumulative depth of both sides on a canvas, as far from the middle as both sides reach. The
// pointer reads a level: its price as sent and the exact sum up to it.

import * as decimal from './decimal.js';
import { by, canvas, colour, put, soon } from './screen.js';

const BASE = 18; // pixels for the prices below

export class Depth {
  #book;
  #canvas = by('depth-canvas');
  #pointer = null;

  constructor(book) {
    this.#book = book;
    new ResizeObserver(() => soon(this.draw)).observe(this.#canvas);
    this.#canvas.addEventListener('pointermove', (event) => this.#point(event.offsetX));
    this.#canvas.addEventListener('pointerleave', () => this.#point(null));
  }

  #point(x) {
    this.#pointer = x;
    soon(this.draw);
  }

  draw = () => {
    const on = canvas(this.#canvas);
    const { bids, asks } = this.#book;
    const read = by('depth-read');
    if (!on || !bids.length || !asks.length) {
      put(read, '');
      return;
    }
    const { paint, width, height } = on;
    const g = decimal.geometry;
    const middle = (g(bids[0][0]) + g(asks[0][0])) / 2;
    const reach = Math.min(middle - g(bids[bids.length - 1][0]), g(asks[asks.length - 1][0]) - middle) || 1;
    const x = (price) => width / 2 + ((price - middle) / reach) * (width / 2);
    const sides = [bids, asks].map((side) => {
      let total = 0;
      const points = [];
      for (const [price, quantity] of side) {
        if (Math.abs(g(price) - middle) > reach * 1.0001) break;
        points.push([x(g(price)), (total += g(quantity))]);
      }
      return points;
    });
    const top = Math.max(...sides.map((points) => points.at(-1)?.[1] ?? 0)) * 1.08 || 1;
    const floor = height - BASE;
    const y = (total) => floor - (total / top) * (floor - 6);

    paint.strokeStyle = colour('--line');
    paint.lineWidth = 1;
    for (const part of [0.25, 0.5, 0.75]) line(paint, 0, Math.round(floor * part) + 0.5, width, Math.round(floor * part) + 0.5);
    sides.forEach((points, i) => {
      if (!points.length) return;
      const edge = i ? width : 0;
      paint.beginPath();
      paint.moveTo(points[0][0], floor);
      let level = floor;
      for (const [px, total] of points) {
        paint.lineTo(px, level);
        level = y(total);
        paint.lineTo(px, level);
      }
      paint.lineTo(edge, level);
      paint.strokeStyle = colour(i ? '--down' : '--up');
      paint.lineWidth = 1.5;
      paint.stroke();
      paint.lineTo(edge, floor);
      paint.closePath();
      paint.fillStyle = colour(i ? '--down-wash' : '--up-wash');
      paint.fill();
    });
    paint.fillStyle = colour('--text-2');
    paint.font = `11px ${colour('--mono')}`;
    paint.textBaseline = 'bottom';
    const put3 = (text, at, align) => {
      paint.textAlign = align;
      paint.fillText(text, at, height - 2);
    };
    const deep = (side, points) => side[points.length - 1]?.[0] ?? '';
    put3(deep(bids, sides[0]), 4, 'left');
    put3(`${bids[0][0]}  |  ${asks[0][0]}`, width / 2, 'center');
    put3(deep(asks, sides[1]), width - 4, 'right');

    if (this.#pointer == null) {
      put(read, '');
      return;
    }
    const isAsk = this.#pointer > width / 2;
    const [side, points] = isAsk ? [asks, sides[1]] : [bids, sides[0]];
    let at = points.findIndex(([px]) => (isAsk ? px > this.#pointer : px < this.#pointer));
    at = (at < 0 ? points.length : at) - 1;
    if (at < 0) return;
    let total = '0';
    for (let i = 0; i <= at; i++) total = decimal.add(total, side[i][1]);
    paint.strokeStyle = colour('--text-2');
    paint.setLineDash([3, 3]);
    line(paint, points[at][0], 0, points[at][0], floor);
    paint.setLineDash([]);
    paint.fillStyle = colour(isAsk ? '--down' : '--up');
    paint.beginPath();
    paint.arc(points[at][0], y(points[at][1]), 3, 0, 7);
    paint.fill();
    put(read, `${isAsk ? 'asks to' : 'bids to'} ${side[at][0]}: ${total}`);
  };
}

function line(paint, x1, y1, x2, y2) {
  paint.beginPath();
  paint.moveTo(x1, y1);
  paint.lineTo(x2, y2);
  paint.stroke();
}
