// The health page: connections and what they cost, latency, gaps, sinks, tape. It asks once a second
// while it is looked at and every five otherwise, for the word in the top bar. Tables keep their rows.

import { inWords } from './gaps.js';
import { by, bytes, canvas, clock, colour, count, make, put, soon, span } from './screen.js';
import { get, millis } from './wire.js';

const SPANS = [[600_000, 60_000, 'ten minutes'], [3_600_000, 600_000, 'hour']]; // of the line, with its ticks
const LATENCY = ['p50', 'p99', 'p999'];

export class Health {
  #gaps;
  #shown = false;
  #timer = 0;
  #rates = new Map(); // feed -> { at, frames, rate }

  constructor(gaps) {
    this.#gaps = gaps;
    new ResizeObserver(() => soon(this.#line)).observe(by('gaps-line'));
  }

  set shown(shown) {
    this.#shown = shown;
    this.#again();
  }

  /** Asks at once: something has changed. */
  refresh() {
    this.#again();
  }

  /** There is nobody to ask. */
  lost() {
    this.#word('unknown', 'health unknown');
  }

  #again = async () => {
    clearTimeout(this.#timer);
    try {
      const body = await get('feeds');
      this.#verdict(body);
      if (this.#shown) this.#draw(body);
    } catch {
      this.#word('unknown', 'health unknown');
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#again, this.#shown ? 1_000 : 5_000);
  };

  #word(state, text) {
    const pill = by('health-pill');
    pill.dataset.state = state;
    put(by('health-text'), text);
  }

  // The same facts as /healthz, which says them with a 503 that a browser logs as an error.
  #verdict({ feeds, tape }) {
    if (!feeds.length) {
      this.#word('unknown', 'recording');
      by('verdict').dataset.state = 'unknown';
      put(by('verdict-word'), 'Nothing is connected');
      return put(by('verdict-why'), 'this is a recording, or the service is about to start');
    }
    const down = feeds.filter((feed) => !feed.connected);
    const open = this.#gaps.open;
    const reasons = [
      ...down.map((feed) => `feed ${feed.feed} is not connected`),
      ...(tape?.error ? [`the tape: ${tape.error}`] : []),
      ...open.map(([instId, gap]) => `${instId} ${gap.channel}: ${inWords(gap.cause)}`),
    ];
    const sick = reasons.length > 0;
    this.#word(sick ? 'sick' : 'ok', down.length ? `${down.length} of ${feeds.length} feeds down` : open.length ? `${open.length} stale` : sick ? 'tape' : 'healthy');
    by('verdict').dataset.state = sick ? 'sick' : 'ok';
    put(by('verdict-word'), sick ? 'Not everything is live' : 'Everything is live');
    const more = reasons.length - 4;
    put(by('verdict-why'), sick
      ? `${reasons.slice(0, 4).join(' · ')}${more > 0 ? ` and ${more} more` : ''}`
      : `${feeds.length} feeds, ${count(feeds.reduce((n, feed) => n + (feed.subscriptions?.live ?? 0), 0))} subscriptions`);
  }

  #draw({ feeds, sinks, tape }) {
    const at = performance.now();
    for (const feed of feeds) {
      const before = this.#rates.get(feed.feed);
      const rate = before && at > before.at ? ((feed.frames - before.frames) * 1000) / (at - before.at) : 0;
      this.#rates.set(feed.feed, { at, frames: feed.frames, rate: before ? before.rate * 0.6 + rate * 0.4 : rate });
    }
    const sum = (field) => feeds.reduce((n, feed) => n + (feed[field] ?? 0), 0);
    const worst = Math.max(0, ...feeds.map((feed) => feed.venueToReceiveUs?.p99 ?? 0));
    tiles([
      ['Frames a second', count(Math.round([...this.#rates.values()].reduce((n, each) => n + each.rate, 0)))],
      ['Records', count(sum('records'))],
      ['Worst venue p99', worst ? micro(worst) : '–'],
      ['Open gaps', count(sum('gapsOpen'))],
      ['Faults', count(sum('faults'))],
      ['Fewest requests left', count(Math.min(...feeds.map((feed) => feed.requestsLeft ?? Infinity).filter(Number.isFinite)))],
    ]);
    table('feeds', ['Feed', 'Address', 'State', 'Frames/s', 'Frames', 'Bytes', 'Records', 'Subscribed', 'Last frame', 'Gaps', 'Faults', 'Resyncs', 'Reconnects', 'Budget'], feeds.map((feed) => ({
      key: feed.feed,
      warn: !feed.connected,
      cells: [feed.feed, feed.url.replace(/^wss?:\/\//, ''), feed.connected ? 'up' : 'down', count(Math.round(this.#rates.get(feed.feed)?.rate ?? 0)), count(feed.frames), bytes(feed.bytes), count(feed.records),
        `${feed.subscriptions?.live ?? '–'}${feed.subscriptions?.waiting ? ` + ${feed.subscriptions.waiting} waiting` : ''}`,
        feed.lastFrameAgeMs == null ? '–' : span(feed.lastFrameAgeMs), count(feed.gapsOpen), count(feed.faults), count(feed.resyncs), count(feed.reconnects), count(feed.requestsLeft)],
    })));
    const steps = [['venueToReceiveUs', 'venue → us'], ['receiveToRecordUs', 'received → record']];
    table('latency', ['Feed', 'From → to', ...LATENCY.map((p) => p.replace('p999', 'p99.9')), ''], feeds.flatMap((feed) => steps.map(([field, words]) => ({
      key: `${feed.feed}${field}`,
      cells: [feed.feed, words, ...LATENCY.map((p) => micro(feed[field]?.[p])), ''],
      bar: LATENCY.map((p) => feed[field]?.[p] ?? 0),
    }))));
    for (const row of by('latency').tBodies[0].rows) latencyBar(row);
    table('sinks', ['Sink', 'Delivered', 'Dropped', 'Waits', 'Waiting'], sinks.map((sink) => ({
      key: sink.name, warn: sink.dropped > 0,
      cells: [sink.name, count(sink.delivered), count(sink.dropped), count(sink.waits), count(sink.depth)],
    })), 'No sink: records go to this page and to clients only.');
    facts(by('tape-facts'), tape
      ? [['Records', count(tape.records)], ['Size', bytes(tape.bytes)], ['Lost', count(tape.lost)], ['Behind by', span(tape.lagMs)], ['Error', tape.error ?? 'none']]
      : [['Tape', 'not recording']]);
    const gaps = this.#gaps.all;
    put(by('gaps-words'), gaps.length ? `${this.#gaps.open.length} open, ${gaps.length} listed; the line is the last ${this.#span(Date.now())[2]}` : 'none so far');
    const now = Date.now();
    table('gaps', ['Opened', 'For', 'Instrument', 'Channel', 'Cause', 'Whose', 'Lost', 'Healed', 'Feed'], gaps.slice(0, 100).map((gap) => {
      const [from, to] = ends(gap);
      return {
        key: `${gap.feed}/${gap.gap}/${gap.event}/${gap.tsRecv}`, warn: gap.event === 'opened',
        cells: [clock(from), span((to ?? now) - from), gap.instId ?? '–', gap.channel ?? '–', inWords(gap.cause), gap.whose, gap.lost ?? '–', gap.event === 'opened' ? 'open' : (gap.healed ?? '–'), gap.feed],
      };
    }), 'Nothing was missed since the start.');
    soon(this.#line);
  }

  /** The shortest stretch that has all gaps of the longest. */
  #span(now) {
    const oldest = Math.min(now, ...this.#gaps.all.map((gap) => ends(gap)[0]).filter((at) => at > now - SPANS.at(-1)[0]));
    return SPANS.find(([long]) => oldest >= now - long * 0.9) ?? SPANS.at(-1);
  }

  #line = () => {
    const on = canvas(by('gaps-line'));
    if (!on) return;
    const { paint, width, height } = on;
    const now = Date.now();
    const [long, tick] = this.#span(now);
    const x = (at) => ((at - (now - long)) / long) * width;
    const step = tick * Math.ceil(42 / ((tick / long) * width)); // so that words have room
    paint.fillStyle = colour('--line');
    paint.fillRect(0, height - 16.5, width, 1);
    paint.font = `10px ${colour('--mono')}`;
    paint.fillStyle = colour('--text-2');
    for (let at = Math.ceil((now - long) / step) * step; at < now; at += step) {
      paint.fillRect(Math.round(x(at)), height - 16, 1, 4);
      paint.textAlign = x(at) > width - 30 ? 'right' : 'center';
      paint.fillText(clock(at, false).slice(0, 5), x(at), height - 2);
    }
    const whose = { venue: '--amber', link: '--blue', ours: '--down' };
    for (const gap of this.#gaps.all) {
      const [from, to] = ends(gap);
      if ((to ?? now) < now - long) continue;
      paint.fillStyle = colour(whose[gap.whose] ?? '--text-2');
      paint.fillRect(x(from), 6, Math.max(2, x(to ?? now) - x(from)), height - 26);
    }
  };
}

const ends = (gap) => [millis(gap.from?.tsRecv) ?? millis(gap.tsRecv), gap.event === 'opened' ? null : (millis(gap.to?.tsRecv) ?? millis(gap.tsRecv))];
const micro = (n) => (n == null ? '–' : n < 10_000 ? `${count(Math.round(n))} µs` : `${count(Math.round(n / 1000))} ms`);

function latencyBar(row) {
  const cell = row.cells[row.cells.length - 1];
  if (!cell.bars) {
    cell.bars = LATENCY.map((p) => make('i', p));
    cell.append(make('span', 'lat', { 'aria-hidden': 'true' }, ...[...cell.bars].reverse()));
  }
  // From a microsecond to ten seconds.
  cell.bars.forEach((bar, i) => (bar.style.transform = `scaleX(${Math.min(1, Math.log10(Math.max(1, row.bar?.[i] ?? 0)) / 7)})`));
}

function tiles(entries) {
  facts(by('tiles'), entries, 'tile');
}

function facts(place, entries, classes = 'fact') {
  while (place.children.length > entries.length) place.lastChild.remove();
  entries.forEach(([label, value], i) => {
    const cell = place.children[i] ?? place.appendChild(make('div', classes, {}, make('dt'), make('dd')));
    put(cell.children[0], label);
    put(cell.children[1], String(value));
  });
}

/** Fills a table; rows are kept by place and only cells that changed are written. */
function table(id, heads, rows, empty = '–') {
  const place = by(id);
  if (!place.tHead) {
    place.append(make('thead', '', {}, make('tr', '', {}, ...heads.map((head) => make('th', '', { scope: 'col' }, head)))), make('tbody'));
  }
  const body = place.tBodies[0];
  const list = rows.length ? rows : [{ key: '', cells: [empty], only: true }];
  while (body.rows.length > list.length) body.lastChild.remove();
  list.forEach((row, i) => {
    let line = body.rows[i];
    if (line && line.cells.length !== row.cells.length) {
      line.replaceWith((line = make('tr')));
    }
    line ??= body.appendChild(make('tr'));
    while (line.cells.length < row.cells.length) line.append(make('td', row.only ? 'muted' : '', row.only ? { colspan: heads.length } : {}));
    line.classList.toggle('bad', Boolean(row.warn));
    line.bar = row.bar;
    row.cells.forEach((text, j) => {
      if (!line.cells[j].bars) put(line.cells[j], String(text));
    });
  });
}
