// Decimal text, exactly. Prices and quantities arrive as text and are shown as sent; what is
// computed from them (sums, differences, percentages, price steps) goes through BigInt, never
// through a float. `geometry` is the one door to floats: for pixels only.

/** A decimal text as an integer and the number of digits behind its point. */
export function parse(text) {
  const dot = text.indexOf('.');
  if (dot < 0) return { int: BigInt(text), scale: 0 };
  return { int: BigInt(text.slice(0, dot) + text.slice(dot + 1)), scale: text.length - dot - 1 };
}

/** The inverse of `parse`. */
export function format(int, scale) {
  if (scale === 0) return String(int);
  const sign = int < 0n ? '-' : '';
  const digits = String(int < 0n ? -int : int).padStart(scale + 1, '0');
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

const scaled = (d, scale) => d.int * 10n ** BigInt(scale - d.scale);

/** Below, at or above zero as `a` is below, at or above `b`. */
export function compare(a, b) {
  if (a === b) return 0;
  const [x, y] = [parse(a), parse(b)];
  const scale = Math.max(x.scale, y.scale);
  const [p, q] = [scaled(x, scale), scaled(y, scale)];
  return p < q ? -1 : p > q ? 1 : 0;
}

export function add(a, b) {
  const [x, y] = [parse(a), parse(b)];
  const scale = Math.max(x.scale, y.scale);
  return format(scaled(x, scale) + scaled(y, scale), scale);
}

export function subtract(a, b) {
  const [x, y] = [parse(a), parse(b)];
  const scale = Math.max(x.scale, y.scale);
  return format(scaled(x, scale) - scaled(y, scale), scale);
}

/** `part / whole` times `10^(places + shift)`, rounded half away from zero, with `places` digits. */
export function ratio(part, whole, places, shift = 0) {
  const [x, y] = [parse(part), parse(whole)];
  const scale = Math.max(x.scale, y.scale);
  const [p, q] = [scaled(x, scale), scaled(y, scale)];
  if (q === 0n) return null;
  const negative = p < 0n !== q < 0n;
  const [top, under] = [(p < 0n ? -p : p) * 10n ** BigInt(places + shift), q < 0n ? -q : q];
  const rounded = (top * 2n + under) / (under * 2n);
  return format(negative ? -rounded : rounded, places);
}

/** The percentage from `from` to `to`, two digits; `null` where it has no meaning. */
export function percent(from, to) {
  if (from == null || to == null || parse(from).int <= 0n) return null;
  return ratio(subtract(to, from), from, 2, 2);
}

/** The multiple of `step` at or below (`up`: at or above) `price`. */
export function toStep(price, step, up) {
  const [x, y] = [parse(price), parse(step)];
  const scale = Math.max(x.scale, y.scale);
  const [p, q] = [scaled(x, scale), scaled(y, scale)];
  let floor = p / q;
  if (p % q !== 0n && p < 0n) floor -= 1n;
  if (up && floor * q !== p) floor += 1n;
  return format((floor * q) / 10n ** BigInt(scale - y.scale), y.scale);
}

/** The step ten times, a hundred times … as wide: `"0.1"` gives `"0.1" "1" "10" "100"`. */
export function steps(tick, count = 4) {
  const { int, scale } = parse(tick);
  const all = [];
  for (let i = 0; i < count; i++) {
    all.push(i < scale ? format(int, scale - i) : format(int * 10n ** BigInt(i - scale), 0));
  }
  return all;
}

/** The digits behind the point. */
export const places = (text) => (text.includes('.') ? text.length - text.indexOf('.') - 1 : 0);

/** A float, for pixels, bar widths and line charts. Never for text. */
export const geometry = (text) => (text == null ? NaN : Number(text));

/** A long count or turnover, shortened for a narrow place by cutting digits: `1.30B`. */
export function short(text) {
  if (text == null) return '–';
  const sign = text.startsWith('-') ? '-' : '';
  const [whole, fraction = ''] = text.replace('-', '').split('.');
  for (const [digits, letter] of [[12, 'T'], [9, 'B'], [6, 'M'], [3, 'K']]) {
    if (whole.length > digits) return `${sign}${whole.slice(0, -digits)}.${whole.slice(-digits).slice(0, 2)}${letter}`;
  }
  return `${sign}${whole}${fraction && whole.length < 4 ? `.${fraction.slice(0, 4)}` : ''}`;
}
