// Small tools for drawing: elements, text that is written only when it changed, one animation frame
// for everything, flashes, canvases at the screen's own resolution, times.

/** An element with classes and attributes. */
export function make(tag, classes = '', attributes = {}, ...children) {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const by = (id) => document.getElementById(id);

/** Writes the text of an element unless it is there already. */
export function put(element, text) {
  const value = text ?? '–';
  if (element.textContent !== value) element.textContent = value;
}

const queued = new Set();
let asked = false;

/** Runs `draw` once in the next animation frame, however often it is asked for. */
export function soon(draw) {
  queued.add(draw);
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    const now = [...queued];
    queued.clear();
    for (const each of now) each();
  });
}

const still = matchMedia('(prefers-reduced-motion: reduce)');
const colours = new Map();

/** A colour of the style sheet. */
export function colour(name) {
  if (!colours.has(name)) colours.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return colours.get(name);
}
export const forgetColours = () => colours.clear();

/** A short wash of colour over an element: `up`, `down` or `change`. */
export function flash(element, kind) {
  if (still.matches || document.hidden) return;
  element.animate([{ backgroundColor: colour(`--flash-${kind}`) }, { backgroundColor: 'transparent' }], {
    duration: 450,
    easing: 'ease-out',
  });
}

/**
 * A 2-D context whose unit is the CSS pixel; cleared. `null` while the canvas is not on screen. Whoever
 * knows the size says it: to ask for it means a layout, which hurts where there are many.
 */
export function canvas(element, [width, height] = [element.clientWidth, element.clientHeight]) {
  if (!width || !height) return null;
  const ratio = devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (element.width !== w || element.height !== h) Object.assign(element, { width: w, height: h });
  const paint = element.getContext('2d');
  paint.setTransform(ratio, 0, 0, ratio, 0, 0);
  paint.clearRect(0, 0, width, height);
  return { paint, width, height };
}

let then = null;
/** Milliseconds of the moment that is shown: the past in a replay (`null`: it is the present). */
export const setNow = (ms) => (then = ms);
export const now = () => then ?? Date.now();

const two = (n) => String(n).padStart(2, '0');

/** `12:34:56.789` UTC. */
export function clock(ms, fraction = true) {
  if (ms == null) return '–';
  const t = new Date(ms);
  const text = `${two(t.getUTCHours())}:${two(t.getUTCMinutes())}:${two(t.getUTCSeconds())}`;
  return fraction ? `${text}.${String(t.getUTCMilliseconds()).padStart(3, '0')}` : text;
}

/** How long something is, in words as short as can be. */
export function span(ms) {
  if (ms == null || Number.isNaN(ms)) return '–';
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.floor(ms / 1000) % 60} s`;
  return `${Math.floor(ms / 3_600_000)} h ${Math.floor(ms / 60_000) % 60} min`;
}

/** A count with thin spaces between thousands. */
export const count = (n) => (n == null ? '–' : String(n).replace(/\B(?=(\d{3})+$)/g, '\u202f'));

/** A number of bytes. */
export function bytes(n) {
  if (n == null) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  while (n >= 1024 && at < 4) [n, at] = [n / 1024, at + 1];
  return `${at ? n.toFixed(1) : n} ${units[at]}`;
}

/** The font size, at most `most`, at which `letters` fixed-width letters and the gaps fit in a row. */
export const fitting = (element, letters, most = 12) =>
  `${Math.max(8, Math.min(most, Math.floor(((element.clientWidth - 38) / letters / 0.605) * 4) / 4))}px`;
