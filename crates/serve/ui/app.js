// Where the page begins: the socket, the address (`#/BTC-USDT`, `#/health`), keys, the banner.

import { Gaps } from './gaps.js';
import { Health } from './health.js';
import { Market, state } from './market.js';
import { by, clock, forgetColours, put } from './screen.js';
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
});
const watch = new Watch({ gaps, onChoose: (inst) => go(`#/${encodeURIComponent(inst)}`) });
const socket = new Socket((now) => {
  link = now;
  if (now.state === 'open') {
    lostAt = null;
    list();
  } else {
    lostAt ??= now.failures ? Date.now() : null;
  }
  showLink();
});
const market = new Market({ socket, watch, gaps });
const health = new Health(gaps);

// --- the connection ---

function showLink() {
  body.dataset.link = link.state === 'open' ? 'open' : lostAt ? 'lost' : 'connecting';
  by('link').dataset.state = link.state;
  put(by('link-text'), { open: 'live', connecting: 'connecting', waiting: 'disconnected' }[link.state]);
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
    await watch.load();
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
    if (record.type !== 'ticker') return;
    watch.ticker(record);
    if (record.instId === market.inst) market.ticker();
  },
});

// --- the address ---

function go(hash) {
  if (location.hash === hash) route();
  else location.hash = hash;
}

function route() {
  const name = decodeURIComponent(location.hash.replace(/^#\/?/, ''));
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
    if (body.dataset.tab === 'watch' || body.dataset.tab === 'health') showTab('chart');
  } else if (body.dataset.tab === 'health') {
    showTab('chart');
  }
  document.title = `${inst} · market-data`;
}
addEventListener('hashchange', route);

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
    else if (body.dataset.view === 'health') go(`#/${encodeURIComponent(market.inst ?? '')}`);
    return;
  }
  if (typing) return;
  const inList = event.target.closest?.('#watch-list');
  const does = {
    '/': () => {
      if (getComputedStyle(by('watch')).display === 'none') showTab('watch');
      filter.focus();
      filter.select();
    },
    '?': () => help.showModal(),
    t: () => globalThis.nextTheme(),
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
}
gaps.start();
begin();
route();
