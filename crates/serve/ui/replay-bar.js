// The buttons of the replay and the moment in words. What they do is `replay.js`; the bar itself is
// `timeline.js`.

import { SPEEDS, inFull, read, written } from './replay.js';
import { by, make, put, soon } from './screen.js';

export class ReplayBar {
  #replay;
  #moment = by('replay-at');
  #speeds;

  /** `onLeave()`: back to what is. */
  constructor(replay, onLeave) {
    this.#replay = replay;
    const does = {
      'replay-back': () => replay.by(-1_000),
      'replay-play': () => replay.toggle(),
      'replay-step': () => replay.step(),
      'replay-live': onLeave,
    };
    for (const [id, act] of Object.entries(does)) by(id).addEventListener('click', act);
    this.#speeds = SPEEDS.map((speed) => {
      const button = make('button', '', { type: 'button', title: `${speed} times as fast as it was` }, `${speed}×`);
      button.addEventListener('click', () => (replay.speed = speed));
      return button;
    });
    by('replay-speeds').replaceChildren(...this.#speeds);
    this.#moment.addEventListener('change', () => this.#typed());
    this.#moment.addEventListener('keydown', (event) => {
      event.stopPropagation();
      if (event.key === 'Enter') this.#typed();
      if (event.key === 'Escape') this.#moment.blur();
    });
    this.#moment.addEventListener('blur', () => soon(this.draw));
  }

  #typed() {
    const text = this.#moment.value.trim();
    const day = new Date(this.#replay.at).toISOString().slice(0, 10);
    const at = read(/^\d{4}-/.test(text) ? text.replace(' ', 'T') : `${day}T${text}`);
    this.#moment.setAttribute('aria-invalid', at == null);
    if (at == null) return;
    this.#moment.blur();
    this.#replay.seek(at);
  }

  /** A key that only means something here; whether it did. */
  key(event) {
    const fast = event.shiftKey ? 60 : 1;
    const does = {
      ' ': () => this.#replay.toggle(),
      n: () => this.#replay.step(),
      ArrowLeft: () => this.#replay.by(-1_000 * fast),
      ArrowRight: () => this.#replay.by(1_000 * fast),
      '+': () => this.#faster(1),
      '-': () => this.#faster(-1),
    }[event.key];
    does?.();
    return Boolean(does);
  }

  #faster(by) {
    const speed = SPEEDS[SPEEDS.indexOf(this.#replay.speed) + by];
    if (speed) this.#replay.speed = speed;
  }

  draw = () => {
    const { on, at, playing, speed, word } = this.#replay;
    by('replay').hidden = !on;
    by('replay-open').setAttribute('aria-pressed', on);
    if (!on) return;
    if (document.activeElement !== this.#moment) {
      const text = inFull(at);
      if (this.#moment.value !== text) this.#moment.value = text;
      this.#moment.setAttribute('aria-invalid', false);
    }
    const play = by('replay-play');
    play.dataset.playing = playing;
    play.setAttribute('aria-label', playing ? 'Pause' : 'Play');
    this.#speeds.forEach((button, i) => button.setAttribute('aria-pressed', SPEEDS[i] === speed));
    put(by('replay-word'), word);
  };

  /** The moment as it stands in an address. */
  get address() {
    return written(this.#replay.at);
  }
}
