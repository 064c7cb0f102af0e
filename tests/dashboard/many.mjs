// Five hundred and more instruments: only rows on screen exist, one frame takes in whatever came before
// it, and what came last is what stands there. Counts, no times: those are in docs/dashboard.md.

import { until } from './browser.mjs';

const LEAST = 500;
const ROWS_MAX = 60; // of a screen that is 900 pixels high

// Before anything of the page runs: keeps its socket.
const KEEP = `(() => {
  const Real = WebSocket;
  globalThis.WebSocket = class extends Real {
    constructor(...all) {
      super(...all);
      globalThis.kept = this;
    }
  };
})()`;

// From here on the subscription of all tickers says what we say: `flood(price)` gives every
// instrument another price, in one go, as the server does after a stall.
const FLOOD = `(() => {
  const real = kept.onmessage;
  let [sub, seq] = [null, 0];
  kept.onmessage = (event) => {
    const frame = JSON.parse(event.data);
    if (frame.record?.type !== 'ticker' || (sub != null && frame.sub !== sub)) return real.call(kept, event);
    globalThis.sample ??= frame.record;
    if (globalThis.flooded) return;
    [sub, seq] = [frame.sub, frame.seq];
    real.call(kept, event);
  };
  globalThis.flood = (names, price) => {
    globalThis.flooded = true;
    for (const instId of names) {
      const record = { ...sample, instId, price };
      real.call(kept, { data: JSON.stringify({ sub, seq: ++seq, record }) });
    }
  };
})()`;

// Twenty rounds of another price for everything; how often the page wrote to the list meanwhile.
const ROUNDS = `(async () => {
  const { watch } = await (await fetch('/api/v1/watch')).json();
  const names = watch.map((row) => row.instId);
  const nodes = document.querySelectorAll('*').length;
  let writes = 0;
  const watcher = new MutationObserver((records) => (writes += records.filter((each) => each.target.classList?.contains('mk-last')).length));
  watcher.observe(document.getElementById('watch-list'), { subtree: true, childList: true });
  let last = '';
  for (let round = 0; round < 20; round++) {
    // Three in one frame: only the last of them is drawn.
    for (const part of [1, 2, 3]) flood(names, (last = '' + (1000 + round) + '.' + part));
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
  }
  watcher.disconnect();
  const shown = [...document.querySelectorAll('.mk:not([hidden]) .mk-last')].map((each) => each.textContent);
  return { instruments: names.length, rows: shown.length, all: document.querySelectorAll('.mk').length, wrong: shown.filter((text) => text !== last),
    writes, grown: document.querySelectorAll('*').length - nodes };
})()`;

export async function many({ browser, check, run, stop, settings }) {
  const args = ['run', '--sim', '--sim-universe', '700', '--no-tape', '--config', settings, '--serve', '127.0.0.1:0'];
  const server = await run(args);
  const kept = await browser.send('Page.addScriptToEvaluateOnNewDocument', { source: KEEP });
  try {
    await browser.open('about:blank');
    await browser.open(server.url);
    await check('five hundred instruments: rows of a screen, one write a row and frame', async () => {
      await until('the list', async () => parseInt(await browser.value(`document.getElementById('watch-count').textContent`), 10) >= LEAST, 60_000);
      await browser.value(FLOOD);
      await until('a ticker', () => browser.value(`Boolean(globalThis.sample)`), 60_000);
      const said = await browser.value(ROUNDS);
      const { instruments, rows, all, wrong, writes, grown } = said;
      const fine = instruments >= LEAST && rows > 10 && all <= ROWS_MAX && !wrong.length && writes <= 20 * rows && Math.abs(grown) < 200;
      if (!fine) throw new Error(JSON.stringify(said));
      return `${instruments} instruments in ${all} rows; ${60 * instruments} records made ${writes} writes`;
    });
  } finally {
    await browser.send('Page.removeScriptToEvaluateOnNewDocument', kept);
    await stop(server.child);
  }
}
