// The bar of the replay: the whole tape from left to right, where nothing was recorded, the gaps,
// and the moment that is shown. It is picked by pointer or keys; the wheel looks closer.

import { by, canvas, clock, colour, soon } from './screen.js';
import { millis } from './wire.js';

const WHOSE = { venue: '--amber', link: '--blue', ours: '--down' };
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
const SPAN_MIN_MS = 2_000;
const KEYS_MS = { ArrowLeft: -1_000, ArrowRight: 1_000, PageUp: -60_000, PageDown: 60_000 };

export class Timeline {
  #gaps;
  #inst;
  #onPick;
  #track = by('replay-track');
  #hint = by('replay-hint');
  #tape = null;
  #view = null; // what is looked at closer; `null`: all of it
  #at = 0;
  #grew = 0;
  #hover = null;
  #held = false;

  /** `inst()` is the instrument whose gaps are of most interest. */
  constructor({ gaps, inst, onPick }) {
    this.#gaps = gaps;
    this.#inst = inst;
    this.#onPick = onPick;
    const track = this.#track;
    new ResizeObserver(() => soon(this.draw)).observe(track);
    addEventListener('theme', () => soon(this.draw));
    track.addEventListener('pointerdown', (event) => {
      if (event.button !== 0 || !this.#tape) return;
      track.setPointerCapture(event.pointerId);
      this.#held = true;
      this.#point(event);
    });
    track.addEventListener('pointermove', (event) => this.#point(event));
    for (const end of ['pointerup', 'pointercancel']) track.addEventListener(end, () => (this.#held = false));
    track.addEventListener('pointerleave', () => this.#hovered(null));
    track.addEventListener('wheel', (event) => this.#zoom(event), { passive: false });
    track.addEventListener('dblclick', () => this.#look(null));
    track.addEventListener('keydown', (event) => {
      const ms = KEYS_MS[event.key] * (event.shiftKey ? 10 : 1);
      if (!this.#tape) return;
      if (ms) this.#onPick(this.#at + ms);
      else if (event.key === 'Home') this.#onPick(this.#tape.from);
      else if (event.key === 'End') this.#onPick(this.#tape.to);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  /** What is on the tape: `from`, `to`, since when gaps are known, and the holes, in ms. */
  tape(tape) {
    this.#grew = this.#tape && tape.to > this.#tape.to ? performance.now() : this.#grew;
    this.#tape = tape;
    for (const [name, at] of [['min', tape.from], ['max', tape.to]]) this.#track.setAttribute(`aria-value${name}`, Math.round(at));
    soon(this.draw);
  }

  get range() {
    return this.#tape ?? { from: 0, to: 0 };
  }

  /** Whether the tape was longer when last looked at than before. */
  get grows() {
    return performance.now() - this.#grew < 10_000;
  }

  at(ms) {
    this.#at = ms;
    this.#track.setAttribute('aria-valuenow', Math.round(ms));
    this.#track.setAttribute('aria-valuetext', `${new Date(ms).toISOString().slice(0, 10)} ${clock(ms)} UTC`);
    soon(this.draw);
  }

  get #shown() {
    const { from, to } = this.range;
    return this.#view ?? { from, to: Math.max(to, from + SPAN_MIN_MS) };
  }

  #look(view) {
    this.#view = view;
    soon(this.draw);
  }

  #time(event) {
    const box = this.#track.getBoundingClientRect();
    const { from, to } = this.#shown;
    return from + Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * (to - from);
  }

  #point(event) {
    if (!this.#tape) return;
    const at = this.#time(event);
    this.#hovered(at, event);
    if (this.#held) this.#onPick(at);
  }

  #hovered(at, event) {
    this.#hover = at;
    this.#hint.hidden = at == null;
    if (at != null) {
      const box = this.#track.getBoundingClientRect();
      this.#hint.textContent = [clock(at), ...this.#said(at)].join(' · ');
      const half = this.#hint.offsetWidth / 2;
      this.#hint.style.left = `${Math.min(box.width - half, Math.max(half, event.clientX - box.left))}px`;
    }
    soon(this.draw);
  }

  /** What is to be said of a moment. */
  #said(at) {
    const { from, to } = this.#shown;
    const near = ((to - from) / Math.max(1, this.#track.clientWidth)) * 3;
    if (this.#tape.holes.some(([a, b]) => a < at && at < b)) return ['nothing was recorded'];
    const hit = this.#gaps.all.filter((gap) => ends(gap)[0] - near < at && at < (ends(gap)[1] ?? Infinity) + near);
    const names = [...new Set(hit.map((gap) => `${gap.instId ?? 'connection'} ${gap.cause}`))];
    return names.length > 2 ? [`${names.length} gaps`] : names;
  }

  #zoom(event) {
    if (!this.#tape) return;
    event.preventDefault();
    const at = this.#time(event);
    const { from, to } = this.#shown;
    const by = event.deltaY < 0 ? 0.7 : 1 / 0.7;
    const whole = this.range;
    const span = Math.max(SPAN_MIN_MS, (to - from) * by);
    if (span >= whole.to - whole.from) return this.#look(null);
    const left = Math.min(whole.to - span, Math.max(whole.from, at - ((at - from) / (to - from)) * span));
    this.#look({ from: left, to: left + span });
  }

  draw = () => {
    const on = this.#tape && canvas(this.#track);
    if (!on) return;
    // What is shown stays on the bar when it is looked at closer.
    if (this.#view && !this.#held && (this.#at < this.#view.from || this.#at > this.#view.to)) {
      const span = this.#view.to - this.#view.from;
      this.#view = { from: this.#at - span / 2, to: this.#at + span / 2 };
    }
    const { paint, width, height } = on;
    const { from, to } = this.#shown;
    const x = (ms) => ((ms - from) / (to - from)) * width;
    const [top, bottom] = [5, height - 17];
    const box = (a, b, y0, y1, least = 2) => paint.fillRect(x(a), y0, Math.max(least, x(b) - x(a)), y1 - y0);
    paint.fillStyle = colour('--chip');
    box(this.#tape.from, this.#tape.to, top, bottom);
    if (this.#tape.began != null && this.#tape.began > this.#tape.from) {
      // Gaps of earlier runs are told by the records that are played, not by the server.
      paint.fillStyle = colour('--line');
      box(this.#tape.from, this.#tape.began, top, bottom);
    }
    paint.fillStyle = colour('--accent');
    paint.globalAlpha = 0.28;
    box(this.#tape.from, Math.min(this.#at, this.#tape.to), top, bottom, 0);
    paint.globalAlpha = 1;
    paint.fillStyle = colour('--bg');
    for (const [a, b] of this.#tape.holes) box(a, b, top - 1, bottom + 1);
    for (const gap of this.#gaps.all) {
      const [a, b] = ends(gap);
      const mine = gap.instId === this.#inst();
      paint.fillStyle = colour(WHOSE[gap.whose] ?? '--text-2');
      paint.globalAlpha = mine ? 0.9 : 0.5;
      box(a, b ?? this.#tape.to, mine ? top + 3 : bottom - 3, bottom - (mine ? 4 : 0));
    }
    paint.globalAlpha = 1;
    this.#axis(paint, x, [from, to], [width, height]);
    if (this.#hover != null) {
      paint.fillStyle = colour('--text-2');
      paint.fillRect(Math.round(x(this.#hover)), 0, 1, bottom + 2);
    }
    paint.fillStyle = colour('--text');
    const here = Math.min(width - 1.5, Math.max(0.5, x(this.#at)));
    paint.fillRect(here - 1, 0, 2, bottom + 4);
    paint.beginPath();
    paint.arc(here, 4, 4, 0, 7);
    paint.fill();
  };

  #axis(paint, x, [from, to], [width, height]) {
    const wide = width / 84;
    const step = (STEPS_S.find((seconds) => (to - from) / 1000 / seconds <= wide) ?? 86400) * 1000;
    paint.font = `10px ${colour('--mono')}`;
    paint.fillStyle = colour('--text-2');
    for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
      const text = step >= 60_000 ? clock(at, false).slice(0, 5) : clock(at, false);
      const half = paint.measureText(text).width / 2;
      if (x(at) < half || x(at) > width - half) continue;
      paint.textAlign = 'center';
      paint.fillText(text, x(at), height - 3);
    }
  }
}

const ends = (gap) => [millis(gap.from?.tsRecv) ?? millis(gap.tsRecv), gap.event === 'opened' ? null : (millis(gap.to?.tsRecv) ?? millis(gap.tsRecv))];
