// Drives Chromium over its DevTools protocol: what the test of the page needs of it, and no more.
// Needs Node 20 and the package `ws` (Node has no WebSocket client of its own before 22).

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import WebSocket from 'ws';

/** Polls `look` until it gives something true; says what was waited for when it does not. */
export async function until(what, look, ms = 20_000) {
  const end = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${ms / 1000} s for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A line of a child's stderr that `pattern` fits. */
export function line(child, pattern, what, ms = 30_000) {
  return new Promise((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => reject(new Error(`waited ${ms / 1000} s for: ${what}\n${text}`)), ms);
    child.stderr.on('data', (bytes) => {
      text = (text + bytes).slice(-100_000);
      const found = pattern.exec(text);
      if (!found) return;
      clearTimeout(timer);
      resolve(found);
    });
    child.on('exit', (code) => reject(new Error(`ended with ${code} before: ${what}\n${text}`)));
  });
}

export class Browser {
  #next = 1;
  #asked = new Map();
  errors = []; // what the page logged as errors, and exceptions

  static async start(path) {
    const self = new Browser();
    self.home = mkdtempSync(join(tmpdir(), 'dashboard-'));
    self.child = spawn(path, ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--hide-scrollbars', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync', '--remote-debugging-port=0', `--user-data-dir=${self.home}`, 'about:blank'], { stdio: ['ignore', 'ignore', 'pipe'] });
    const [, address] = await line(self.child, /DevTools listening on (ws:\S+)/, 'Chromium');
    const list = await (await fetch(`http://${new URL(address).host}/json/list`)).json();
    self.socket = new WebSocket(list.find((target) => target.type === 'page').webSocketDebuggerUrl);
    await new Promise((resolve, reject) => self.socket.once('open', resolve).once('error', reject));
    self.socket.on('message', (data) => self.#receive(JSON.parse(data)));
    for (const domain of ['Page', 'Runtime', 'Log']) await self.send(`${domain}.enable`);
    return self;
  }

  #receive(message) {
    if (message.id) {
      const { resolve, reject } = this.#asked.get(message.id);
      this.#asked.delete(message.id);
      return message.error ? reject(new Error(message.error.message)) : resolve(message.result);
    }
    const { method, params } = message;
    if (method === 'Runtime.exceptionThrown') this.errors.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === 'Runtime.consoleAPICalled' && params.type === 'error') this.errors.push(params.args.map((each) => each.value ?? each.description).join(' '));
    if (method === 'Log.entryAdded' && params.entry.level === 'error') this.errors.push(`${params.entry.text} ${params.entry.url ?? ''}`);
  }

  send(method, params = {}) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      this.socket.send(JSON.stringify({ id, method, params }));
    });
  }

  /** The value of an expression in the page; promises are awaited. */
  async value(expression) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  async open(url) {
    await this.send('Page.navigate', { url });
    await until(`${url} to load`, () => this.value(`location.href.startsWith(${JSON.stringify(url)}) && document.readyState === 'complete'`));
  }

  async key(key, code = key) {
    const keys = { ArrowDown: 40, ArrowUp: 38, Enter: 13, Escape: 27 };
    const event = { key, code, windowsVirtualKeyCode: keys[key] ?? key.toUpperCase().charCodeAt(0), text: key.length === 1 ? key : key === 'Enter' ? '\r' : undefined };
    await this.send('Input.dispatchKeyEvent', { type: 'keyDown', ...event });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', ...event, text: undefined });
  }

  async type(text) {
    for (const letter of text) await this.key(letter);
  }

  screen = ({ width, height, scheme = 'dark' }) => Promise.all([
    this.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 500 }),
    this.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] }),
  ]);

  async picture(file) {
    const { data } = await this.send('Page.captureScreenshot', { format: 'png' });
    writeFileSync(file, Buffer.from(data, 'base64'));
  }

  async close() {
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await gone;
    // The browser's helpers outlive it and write for a moment. A folder left behind is no failure.
    try {
      rmSync(this.home, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
    } catch (error) {
      console.log(`left behind: ${this.home} (${error.code})`);
    }
  }
}
