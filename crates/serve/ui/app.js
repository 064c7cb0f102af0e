// Where the page begins: the socket, the address (`#/BTC-USDT`, `#/BTC-USDT@2026-11-29T13:48:26.900Z`,
// `#/health`), keys, the banner.

import { Gaps } from './gaps.js';
import { Health } from './health.js';
import { Market, state } from './market.js';
import { Replay, read } from './replay.js';
import { ReplayBar } from './replay-bar.js';
import { by, clock, forgetColours, put, soon } from './screen.js';
import { Socket } from './socket.js';
import * as token from './token.js';
import { Watch } from './watch.js';

const LIST_EVERY_MS = 15_000;

token.fromAddress();
let link = { state: 'connecting', failures: 0 };
let lostAt = null;
const body = document.body;

const gaps = new Gaps(() => {
  watch.redraw();
  market.look();
  health.refresh();
});
const watch = new Watch({ gaps, onChoose: (inst) => go(`#/${encodeURIComponent(inst)}`) });
const socket = new Socket((now) => {
  link = now;
  if (now.state === 'open') {
    lostAt = null;
    list();
  } else {
    lostAt ??= now.failures ? Date.now() : null;
    if (lostAt) health.lost();
  }
  showLink();
});
const market = new Market({ socket, watch, gaps });
const health = new Health(gaps);
const replay = new Replay({ market, watch, gaps, onMoment: () => soon(bar.draw), onChange: showReplay });
const bar = new ReplayBar(replay, toLive);

// --- the connection ---

function showLink() {
  body.dataset.link = link.state === 'open' ? 'open' : lostAt ? 'lost' : 'connecting';
  by('link').dataset.state = link.state;
  put(by('link-text'), { open: replay.on ? 'replay' : 'live', connecting: 'connecting', waiting: 'disconnected' }[link.state]);
  const banner = by('banner');
  const shown = Boolean(lostAt) && link.state !== 'open';
  if (banner.hidden === shown) banner.hidden = !shown;
  if (!shown) return;
  const left = link.state === 'waiting' ? Math.max(0, Math.ceil((link.until - Date.now()) / 1000)) : 0;
  put(by('banner-text'), `No connection to market-data since ${clock(lostAt, false)} UTC. What is shown is old. ${link.state === 'waiting' ? `Trying again in ${left} s.` : 'Trying again …'}`);
}
by('banner-now').addEventListener('click', () => socket.now());
setInterval(() => {
  put(by('utc'), `${clock(Date.now(), false)} UTC`);
  showLink();
}, 500);

// --- the list ---

let listTimer = 0;
async function list() {
  clearTimeout(listTimer);
  try {
    if (replay.on) await watch.names();
    else await watch.load();
    state('watch', watch.size ? 'live' : 'empty');
    if (!market.inst) route();
  } catch (error) {
    const why = token.asking() ? 'Waiting for the token.' : `The list did not come: ${error.message}`;
    if (!watch.size) state('watch', 'loading', why);
  }
  listTimer = setTimeout(list, watch.size ? LIST_EVERY_MS : 1_000);
}
socket.subscribe({ inst: '*', channel: 'tickers', policy: 'conflate', interval: 200 }, {
  record(record) {
    if (record.type !== 'ticker' || replay.on) return;
    watch.ticker(record);
    if (record.instId === market.inst) market.ticker();
  },
});

// --- the address ---

function go(hash) {
  if (location.hash === hash) route();
  else location.hash = hash;
}

/** What the address names: an instrument or `health`, and a moment in ms or `null`. */
function address() {
  let text = location.hash.replace(/^#\/?/, '');
  try {
    text = decodeURIComponent(text);
  } catch {
    text = ''; // it names nothing
  }
  const [name, moment] = text.split('@');
  return [name, moment ? read(moment) : null];
}

/** The address that the page shows; another one is still on its way to `route`. */
let routed = location.hash;

/** Writes the address of what is shown, unless somebody has just asked for another. */
function rename(hash) {
  if (location.hash !== routed) return;
  history.replaceState(null, '', hash);
  routed = location.hash;
}

function route() {
  routed = location.hash;
  const [name, at] = address();
  const isHealth = name === 'health';
  body.dataset.view = isHealth ? 'health' : 'instrument';
  health.shown = isHealth;
  if (isHealth) {
    document.title = 'Health · market-data';
    showTab('health');
    if (!market.inst && watch.size) market.choose(watch.first());
    return;
  }
  if (!watch.size) return;
  const inst = name || watch.first();
  if (inst !== market.inst) {
    market.choose(inst);
    watch.choose(inst);
    if (replay.on) replay.by(0);
    if (body.dataset.tab === 'watch' || body.dataset.tab === 'health') showTab('chart');
  } else if (body.dataset.tab === 'health') {
    showTab('chart');
  }
  document.title = `${inst} · market-data`;
  if (at != null && Math.abs(at - replay.at) >= 1) toPast(at);
}
addEventListener('hashchange', route);

// --- the past ---

const notices = by('replay-why');
async function toPast(at = null) {
  try {
    await replay.enter(at);
    notices.hidden = true;
  } catch (error) {
    notices.hidden = false;
    put(by('replay-why-text'), error.message);
  }
}

function toLive() {
  if (!replay.on || body.dataset.tape === 'whole') return;
  replay.leave(socket);
  rename(`#/${encodeURIComponent(market.inst ?? '')}`);
  list();
}

function showReplay() {
  body.dataset.mode = replay.on ? 'replay' : 'live';
  showLink();
  soon(bar.draw);
  // The address names the moment while it stands still.
  if (replay.on && !replay.playing && market.inst && body.dataset.view !== 'health') {
    rename(`#/${encodeURIComponent(market.inst)}@${bar.address}`);
  }
}
by('replay-open').addEventListener('click', () => (replay.on ? toLive() : toPast()));
by('replay-why-close').addEventListener('click', () => (notices.hidden = true));

// --- panels on a narrow screen ---

function showTab(tab) {
  body.dataset.tab = tab;
  for (const button of document.querySelectorAll('[data-go]')) button.setAttribute('aria-pressed', button.dataset.go === tab);
}
for (const button of document.querySelectorAll('[data-go]')) {
  button.addEventListener('click', () => {
    const tab = button.dataset.go;
    if (tab === 'health') return go('#/health');
    showTab(tab);
    if (body.dataset.view === 'health') go(`#/${encodeURIComponent(market.inst ?? '')}`);
    if (tab === 'watch') showTab('watch');
  });
}

// --- colours ---

by('theme').addEventListener('click', () => globalThis.nextTheme());
function showTheme() {
  put(by('theme-text'), document.documentElement.dataset.choice);
  forgetColours();
  market.theme();
  watch.redraw();
}
addEventListener('theme', showTheme);

// --- keys ---

const help = by('help');
by('help-close').addEventListener('click', () => help.close());
by('keys').addEventListener('click', () => help.showModal());
addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open || token.asking()) return;
  const filter = by('filter');
  const typing = event.target === filter;
  if (event.key === 'Escape') {
    if (filter.value) {
      filter.value = '';
      filter.dispatchEvent(new Event('input'));
    } else if (typing) filter.blur();
    else if (replay.on && body.dataset.view !== 'health') toLive();
    else if (body.dataset.view === 'health') go(`#/${encodeURIComponent(market.inst ?? '')}`);
    return;
  }
  if (typing) return;
  if (replay.on && body.dataset.view !== 'health' && !event.target.closest?.('button, #watch-list') && bar.key(event)) {
    event.preventDefault();
    return;
  }
  const inList = event.target.closest?.('#watch-list');
  const does = {
    '/': () => {
      if (getComputedStyle(by('watch')).display === 'none') showTab('watch');
      filter.focus();
      filter.select();
    },
    '?': () => help.showModal(),
    t: () => globalThis.nextTheme(),
    r: () => (replay.on ? toLive() : toPast()),
    h: () => go(body.dataset.view === 'health' ? `#/${encodeURIComponent(market.inst ?? '')}` : '#/health'),
    '[': () => market.stepBy(-1),
    ']': () => market.stepBy(1),
    ',': () => market.intervalBy(-1),
    '.': () => market.intervalBy(1),
    ArrowDown: inList || event.target !== body ? null : () => watch.neighbour(1),
    ArrowUp: inList || event.target !== body ? null : () => watch.neighbour(-1),
  }[event.key];
  if (!does) return;
  does();
  event.preventDefault();
});

showTab('chart');
showTheme();
// The list first: whether a token is wanted is known before there is a socket.
addEventListener('token', begin);
async function begin() {
  await list();
  socket.now();
  // A recording alone has no present: its page begins at its beginning.
  const range = replay.on ? null : await replay.range().catch(() => null);
  body.dataset.tape = !range ? 'none' : range.growing ? 'growing' : 'whole';
  if (range && !range.growing && !replay.on) toPast(address()[1] ?? range.from + 2_000);
}
gaps.start();
begin();
route();
