// The page in a real browser, against `market-data run --sim`. Every wait is for a condition, with a
// deadline. Prints one line a check; exit code 0 when all hold.
//
//   node test.mjs BINARY CHROMIUM PICTURES

import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Browser, line, until } from './browser.mjs';
import { many } from './many.mjs';
import { replay } from './replay.mjs';

const [binary, chromium, pictures] = process.argv.slice(2);
mkdirSync(pictures, { recursive: true });
const DESKTOP = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };
let [passed, failed] = [0, 0];

async function check(what, does) {
  try {
    const said = await does();
    passed += 1;
    console.log(`ok    ${what}${said ? `: ${said}` : ''}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${what}\n      ${String(error.stack ?? error).replaceAll('\n', '\n      ')}`);
  }
}

async function serve(...more) {
  return serveWith({}, ...more);
}

async function serveWith(variables, ...more) {
  return run(['run', '--sim', '--no-tape', '--serve', '127.0.0.1:0', ...more], variables);
}

async function run(args, variables = {}) {
  const child = spawn(binary, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...variables } });
  const [, url] = await line(child, /(http:\/\/127\.0\.0\.1:[1-9]\d*)/, 'the address that market-data serves');
  return { child, url: `${url}/` };
}

async function stop(child) {
  if (child.exitCode != null || child.signalCode != null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await gone;
  clearTimeout(timer);
}

// Not blank: at least two colours among the pixels of one canvas.
const painted = (selector) => `[...document.querySelectorAll(${JSON.stringify(selector)})].some((canvas) => {
  if (!canvas.width || !canvas.height) return false;
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set();
  for (let i = 0; i < data.length && seen.size < 4; i += 4) seen.add(data[i] << 24 | data[i + 1] << 16 | data[i + 2] << 8 | data[i + 3]);
  return seen.size >= 4;
})`;

// In the page: remembers each drawn ladder by its id, asks for the book until an id is among them,
// and compares the levels as text.
const LADDER = `(async () => {
  const body = document.getElementById('ladder-body');
  const inst = document.getElementById('inst-name').textContent;
  const drawn = new Map();
  const side = (name) => [...document.querySelectorAll('.ld.' + name + ':not(.none)')]
    .map((row) => [row.querySelector('.ld-price').textContent, row.querySelector('.ld-size').textContent]);
  const note = () => body.dataset.id && drawn.set(body.dataset.id, { bids: side('bids'), asks: side('asks').reverse() });
  const watcher = new MutationObserver(note);
  watcher.observe(body, { attributes: true, attributeFilter: ['data-id'] });
  note();
  const end = performance.now() + 30000;
  try {
    while (performance.now() < end) {
      const book = await (await fetch('/api/v1/book?depth=50&inst=' + inst)).json();
      const id = String(book.lastUpdateId);
      for (let i = 0; i < 20 && !drawn.has(id); i++) await new Promise(requestAnimationFrame);
      const here = drawn.get(id);
      if (!here) continue;
      for (const name of ['bids', 'asks']) {
        const there = book[name].slice(0, here[name].length).map((level) => level.slice(0, 2));
        if (JSON.stringify(there) !== JSON.stringify(here[name])) return { id, name, there, here: here[name] };
      }
      if (here.bids.length && here.asks.length) return { id, equal: here.bids.length + here.asks.length };
    }
    return { error: 'no id in common' };
  } finally {
    watcher.disconnect();
  }
})()`;

const browser = await Browser.start(chromium);
const text = (id) => browser.value(`document.getElementById('${id}').textContent`);
const stateOf = (panel) => browser.value(`document.getElementById('${panel}').dataset.state`);
const live = () => until('the book is live', async () => (await stateOf('ladder')) === 'live', 40_000);

// Bars, and of the swap what hangs on it.
const settings = join(import.meta.dirname, 'settings.toml');
let server = await serve('--config', settings);
try {
  await browser.screen(DESKTOP);
  await browser.open(server.url);
  await check('the page loads and is live', async () => {
    await until('the word live', async () => (await text('link-text')) === 'live');
    const rows = await until('rows of the watch list', () => browser.value(`document.querySelectorAll('.mk:not([hidden])').length`));
    await live();
    return `${rows} instruments`;
  });
  await check('prices move', async () => {
    const id = await browser.value(`document.getElementById('ladder-body').dataset.id`);
    await until('another id of the book', async () => (await browser.value(`document.getElementById('ladder-body').dataset.id`)) !== id);
    const prices = () => browser.value(`[...document.querySelectorAll('.mk:not([hidden]) .mk-last')].map((each) => each.textContent).join()`);
    const before = await prices();
    await until('another price in the watch list', async () => (await prices()) !== before);
  });
  await check('the ladder is the book of REST at the same id', async () => {
    const result = await browser.value(LADDER);
    if (!result.equal) throw new Error(JSON.stringify(result));
    return `${result.equal} levels of ${result.id}`;
  });
  await check('trades run', async () => {
    await until('rows of the tape', () => browser.value(`document.querySelectorAll('.tp').length > 2`));
  });
  await check('the charts draw', async () => {
    await until('bars', async () => (await stateOf('chart')) === 'live');
    await until('pixels of the bars', () => browser.value(painted('#chart-body canvas')));
    await until('pixels of the depth', () => browser.value(painted('#depth-canvas')));
  });
  await browser.picture(join(pictures, 'desktop-dark.png'));
  await check('a price step adds levels up', async () => {
    await until('steps', () => browser.value(`document.querySelectorAll('#steps button').length > 1`));
    await browser.key(']', 'BracketRight');
    await until('another step', () => browser.value(`document.getElementById('ladder-body').dataset.step !== ''`));
    await browser.key('[', 'BracketLeft');
    await until('levels as they are', () => browser.value(`document.getElementById('ladder-body').dataset.step === ''`));
  });
  await check('another instrument is chosen by keyboard', async () => {
    const before = await text('inst-name');
    await browser.key('/', 'Slash');
    await browser.type('swap');
    await until('the filter to apply', async () => (await text('watch-count')).includes('of'));
    await browser.key('Enter');
    await until('another name', async () => (await text('inst-name')) !== before);
    const hash = await browser.value('location.hash');
    if (!hash.endsWith(await text('inst-name'))) throw new Error(`the address is ${hash}`);
    await browser.key('Escape');
    await browser.key('Escape');
    await live();
    return text('inst-name');
  });
  await check('mark, funding and open interest of a swap are those of the records', async () => {
    const inst = await text('inst-name');
    const facts = () => browser.value(`Object.fromEntries([...document.querySelectorAll('#facts .fact')].map((each) => [each.children[0].textContent, each.children[1].firstChild.data]))`);
    const shown = await until('all of them', async () => {
      const all = await facts();
      return ['Mark', 'Index', 'Funding', 'Settles in', 'Open interest'].every((label) => all[label] && all[label] !== '–') && all;
    });
    await until('the mark of REST on the page', async () => {
      const { values } = await (await fetch(`${server.url}api/v1/values?inst=${inst}`)).json();
      return (await facts()).Mark === values['mark-price'].markPx;
    });
    return `mark ${shown.Mark}, funding ${shown.Funding}, open interest ${shown['Open interest']}`;
  });
  await browser.screen({ ...DESKTOP, scheme: 'light' });
  await until('the light colours', () => browser.value(`document.documentElement.dataset.theme === 'light'`));
  await browser.picture(join(pictures, 'desktop-light.png'));
  await check('health has a row for each feed', async () => {
    await browser.value(`document.activeElement.blur()`);
    await browser.key('h', 'KeyH');
    const { feeds } = await (await fetch(`${server.url}api/v1/feeds`)).json();
    await until('rows of feeds', () => browser.value(`document.querySelectorAll('#feeds tbody tr').length === ${feeds.length}`));
    return `${feeds.length} feeds`;
  });
  await browser.screen({ ...DESKTOP, scheme: 'dark' });
  await browser.picture(join(pictures, 'health.png'));
  await browser.key('h', 'KeyH');
  await browser.screen(PHONE);
  await check('a phone shows one panel at a time', async () => {
    for (const [tab, panel] of [['watch', 'watch'], ['ladder', 'ladder'], ['chart', 'chart']]) {
      await browser.value(`document.querySelector('[data-go=${tab}]').click()`);
      await until(`only ${panel}`, () => browser.value(`getComputedStyle(document.getElementById('${panel}')).display !== 'none'
        && ['watch', 'ladder', 'chart'].filter((each) => getComputedStyle(document.getElementById(each)).display !== 'none').length === 1
        && document.documentElement.scrollWidth <= 390`));
      await browser.picture(join(pictures, `phone-${tab}.png`));
    }
  });
  await browser.screen(DESKTOP);
  await check('no error in the console', () => {
    if (browser.errors.length) throw new Error(browser.errors.join('\n'));
  });
  await check('a server that is gone is said so', async () => {
    await stop(server.child);
    await until('the banner', () => browser.value(`!document.getElementById('banner').hidden && document.body.dataset.link === 'lost'`));
    await until('no word about health', async () => (await text('health-text')) === 'health unknown');
    await browser.picture(join(pictures, 'disconnected.png'));
  });

  const token = 'a-token/with+signs=and~more';
  server = await serveWith({ MARKET_DATA_SERVE_TOKEN: token });
  let said = '';
  server.child.stderr.on('data', (data) => (said += data));
  const asked = () => browser.value(`document.getElementById('token').open`);
  const isLive = async () => (await text('link-text')) === 'live' && !(await asked());
  await check('a token in the address is taken, hidden and kept', async () => {
    await browser.open('about:blank');
    // The address changes at once, so only the page can be waited for.
    await browser.send('Page.navigate', { url: `${server.url}#token=${encodeURIComponent(token)}` });
    await until('the page', () => browser.value(`location.href.startsWith(${JSON.stringify(server.url)}) && document.readyState === 'complete'`));
    await until('the word live', isLive);
    await live();
    const address = await browser.value('location.href');
    if (address.includes('token')) throw new Error(address);
    await browser.open('about:blank');
    await browser.open(server.url);
    await until('the word live, without being asked', isLive);
  });
  await check('without one the page asks, and says when it is another', async () => {
    await browser.value(`sessionStorage.clear()`);
    await browser.open('about:blank');
    await browser.open(server.url);
    await until('the question', asked);
    await browser.picture(join(pictures, 'token.png'));
    const why = await text('token-why');
    const answer = async (words) => {
      await until('the field', () => browser.value(`document.activeElement?.id === 'token-text'`));
      await browser.type(words);
      await browser.key('Enter');
    };
    await answer('short');
    await until('what a token is', async () => (await text('token-why')).includes('16 to 512'));
    await browser.value(`document.getElementById('token-text').value = ''`);
    await answer('another-token-than-that');
    await until('a word about it', async () => (await text('token-why')).includes('not the token') && (await asked()));
    await answer(token);
    await until('the word live', isLive);
    await live();
    if (said.includes(token)) throw new Error('the token is in the log');
    return why;
  });
  await stop(server.child);

  await replay({ browser, check, run, stop, binary, settings, pictures });
  await many({ browser, check, run, stop, settings: join(import.meta.dirname, 'many.toml') });

  server = await serve('--sim-faults', 'silence');
  await browser.open('about:blank');
  await browser.open(server.url);
  browser.errors.length = 0;
  await check('what is stale is grey, with the reason and since when', async () => {
    const said = await until('a stale panel', () => browser.value(`[...document.querySelectorAll('.panel[data-state=stale] .notice')].map((each) => each.textContent)[0]
      ?? [...document.querySelectorAll('.mk.gap')].map((each) => (each.click(), ''))[0] ?? ''`), 150_000);
    await browser.picture(join(pictures, 'stale.png'));
    if (!/^Stale: .+ Since \d\d:\d\d:\d\d\.\d{3} UTC\.$/.test(said)) throw new Error(said);
    return said;
  });
  await check('and no error in the console', () => {
    if (browser.errors.length) throw new Error(browser.errors.join('\n'));
  });
} catch (error) {
  failed += 1;
  console.log(`FAIL  ${error.stack}`);
} finally {
  await stop(server.child);
  await browser.close();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
