// The replay of the page: a tape of two runs with a hole between them, gone through by keyboard and
// pointer. Each ladder that is shown is compared, as text, with the book that the changes of `replay
// --json` make up to the same id: those are the tape's own records, read by another program.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './browser.mjs';

const HOLE_MS = 3_500; // a shorter one is not told

// In the page: what the ladder shows, with its id.
const LADDER = `(() => {
  const side = (name) => [...document.querySelectorAll('.ld.' + name + ':not(.none)')]
    .map((row) => [row.querySelector('.ld-price').textContent, row.querySelector('.ld-size').textContent]);
  return { id: document.getElementById('ladder-body').dataset.id, bids: side('bids'), asks: side('asks').reverse() };
})()`;

/** Books of an instrument by id: the best levels as text, from the tape's own records. */
function books(binary, tape, inst, ids) {
  const text = execFileSync(binary, ['replay', tape, '--json', '--inst', inst, '--channels', 'books'], { maxBuffer: 1 << 30 }).toString();
  const found = new Map();
  const sides = { bids: new Map(), asks: new Map() };
  for (const line of text.split('\n')) {
    if (!line.includes('"orderbook_delta"')) continue;
    const id = /"lastUpdateId":(-?\d+)/.exec(line)[1];
    const record = JSON.parse(line);
    for (const name of ['bids', 'asks']) {
      if (record.isSnapshot) sides[name].clear();
      for (const [price, quantity] of record[name]) {
        if (Number(quantity) === 0) sides[name].delete(price);
        else sides[name].set(price, quantity);
      }
    }
    if (!ids.has(id)) continue;
    const best = (name, way) => [...sides[name]].sort((a, b) => (Number(a[0]) - Number(b[0])) * way);
    found.set(id, { bids: best('bids', -1), asks: best('asks', 1) });
  }
  return found;
}

export async function replay({ browser, check, run, stop, binary, settings, pictures }) {
  const home = mkdtempSync(join(tmpdir(), 'dashboard-tape-'));
  const tape = join(home, 'tape');
  // With changes among the records, so that `replay --json` tells every book.
  const ours = join(home, 'settings.toml');
  writeFileSync(ours, `${readFileSync(settings)}\n[books]\ndeltas = true\n`);
  const begin = () => run(['run', '--sim', '--config', ours, '--tape', tape, '--serve', '127.0.0.1:0']);
  const about = async (url) => (await (await fetch(`${url}api/v1/tape`)).json()).tape;
  const longEnough = (url) => until('eight seconds of tape', async () => {
    const { from, to } = (await about(url)) ?? {};
    return to - from > 8e9 && { from: from / 1e6, to: to / 1e6 };
  }, 60_000);
  const text = (id) => browser.value(`document.getElementById('${id}').textContent`);
  const state = (panel) => browser.value(`document.getElementById('${panel}').dataset.state`);
  const moment = () => browser.value(`Date.parse(document.getElementById('replay-at').value.replace(' ', 'T') + 'Z')`);
  const settled = (what) => until(what, async () => ['paused', 'the end of the tape'].includes(await text('replay-word')), 40_000);
  const goTo = async (ms) => {
    await browser.value(`location.hash = '#/BTC-USDT@${new Date(ms).toISOString()}'`);
    await until('that moment', async () => Math.abs((await moment()) - Math.floor(ms)) < 2, 40_000);
    await settled('the book of that moment');
  };
  const shown = new Map();
  const note = async () => {
    await until('a live book', async () => (await state('ladder')) === 'live', 40_000);
    const ladder = await until('its levels', async () => {
      const drawn = await browser.value(LADDER);
      return drawn.id && drawn.bids.length >= 5 && drawn.asks.length >= 5 && drawn;
    });
    shown.set(ladder.id, ladder);
    return ladder.id;
  };

  let server = await begin();
  const first = await longEnough(server.url);
  await stop(server.child);
  const stopped = Date.now();
  await until('a hole', () => Date.now() - stopped > HOLE_MS);
  server = await begin();
  try {
    const second = await until('a tape of both runs', async () => {
      const tape = await about(server.url);
      return tape?.holes.length === 1 && tape.to / 1e6 - tape.holes[0].to / 1e6 > 5_000 && tape;
    }, 60_000);
    await browser.open('about:blank');
    browser.errors.length = 0;
    await browser.open(`${server.url}#/BTC-USDT`);
    await until('the word live', async () => (await text('link-text')) === 'live');
    await check('replay: a key begins it, near the end of the tape', async () => {
      await browser.key('r', 'KeyR');
      await until('the mode', () => browser.value(`document.body.dataset.mode === 'replay' && !document.getElementById('replay').hidden`));
      await settled('a moment');
      await note();
      if ((await text('link-text')) !== 'replay') throw new Error('the word is not replay');
    });
    await check('replay: a moment of the run before, step by step and forward', async () => {
      await goTo((first.from + first.to) / 2);
      await note();
      await browser.picture(join(pictures, 'replay.png'));
      for (let i = 0; i < 3; i++) {
        const id = await browser.value(`document.getElementById('ladder-body').dataset.id`);
        await browser.key('n', 'KeyN');
        await until('another id', async () => (await browser.value(`document.getElementById('ladder-body').dataset.id`)) !== id);
        await note();
      }
      const at = await moment();
      await browser.key(' ', 'Space');
      await until('a second later', async () => (await moment()) > at + 1_000, 40_000);
      await browser.key(' ', 'Space');
      await settled('a pause');
      await note();
      await until('trades', () => browser.value(`document.querySelectorAll('.tp').length > 2`));
      const last = await browser.value(`Date.parse(new Date(${at}).toISOString().slice(0, 11) + document.querySelector('.tp .tp-time').textContent + 'Z')`);
      if (last > (await moment())) throw new Error(`a trade of ${last} at ${await moment()}`);
    });
    await check('replay: the pointer picks a moment on the bar', async () => {
      const box = await browser.value(`(() => { const { left, top, width, height } = document.getElementById('replay-track').getBoundingClientRect(); return { left, top, width, height }; })()`);
      const at = { x: box.left + box.width * 0.97, y: box.top + box.height / 3, button: 'left', clickCount: 1 };
      const before = await moment();
      await browser.send('Input.dispatchMouseEvent', { type: 'mousePressed', ...at });
      await browser.send('Input.dispatchMouseEvent', { type: 'mouseMoved', ...at, x: at.x + 4 });
      await browser.send('Input.dispatchMouseEvent', { type: 'mouseReleased', ...at, x: at.x + 4 });
      await until('another moment', async () => (await moment()) > before + 3_000);
      await settled('its book');
      await note();
    });
    await check('replay: in a hole of the tape there is no book', async () => {
      await goTo((second.holes[0].from + second.holes[0].to) / 2e6);
      const said = await until('no book', async () => {
        const word = await state('ladder');
        return word !== 'live' && `${word}: ${await browser.value(`document.querySelector('#ladder .notice').textContent`)}`;
      });
      await browser.picture(join(pictures, 'replay-hole.png'));
      return said;
    });
    await check('replay: and back to what is', async () => {
      await browser.key('Escape');
      await until('the word live', async () => (await text('link-text')) === 'live' && (await state('ladder')) === 'live', 40_000);
      const hash = await browser.value('location.hash');
      if (hash.includes('@')) throw new Error(hash);
    });
    await stop(server.child);
    server = await run(['replay', tape, '--serve', '127.0.0.1:0']);
    await check('replay: a recording alone', async () => {
      await browser.open('about:blank');
      browser.errors.length = 0;
      await browser.open(server.url);
      await until('the mode', () => browser.value(`document.body.dataset.mode === 'replay'`), 40_000);
      await goTo((first.from + first.to) / 2);
      await note();
      await browser.picture(join(pictures, 'replay-alone.png'));
    });
    await check('replay: every ladder is the book of the tape at its id', () => {
      const told = books(binary, tape, 'BTC-USDT', new Set(shown.keys()));
      let levels = 0;
      for (const [id, ladder] of shown) {
        for (const name of ['bids', 'asks']) {
          const there = told.get(id)?.[name].slice(0, ladder[name].length);
          if (JSON.stringify(there) !== JSON.stringify(ladder[name])) throw new Error(JSON.stringify({ id, name, there, here: ladder[name] }));
          levels += ladder[name].length;
        }
      }
      if (shown.size < 6) throw new Error(`only ${shown.size} books`);
      return `${levels} levels of ${shown.size} books`;
    });
    await check('replay: no error in the console', () => {
      if (browser.errors.length) throw new Error(browser.errors.join('\n'));
    });
  } finally {
    await stop(server.child);
    rmSync(home, { recursive: true, force: true });
  }
}
