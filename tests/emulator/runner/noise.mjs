/** What the tests of the runner share: noise that a seed decides, and frames. */
import { Dice } from '../../../boards/emulator/runner/dice.mjs';
import { FrameDecoder } from '../../../boards/emulator/runner/hdlc.mjs';

export class Noise {
  constructor(seed) {
    this.dice = new Dice(seed);
  }

  below(limit) {
    return Math.floor(this.dice.next() * limit);
  }

  bytes(longest) {
    return Uint8Array.from({ length: this.below(longest + 1) }, () => this.below(256));
  }
}

/** The frames in what was put on the line, as [protocol, payload]. */
export function framesIn(lines) {
  const found = [];
  const decoder = new FrameDecoder((protocol, payload) => found.push([protocol, payload]));
  for (const line of lines) for (const byte of line) decoder.feed(byte);
  return found;
}

/** Time that passes when a test says so. */
export class FakeClock {
  #timers = [];
  time_ms = 0;

  now_s = () => this.time_ms / 1000;

  later = (callback, ms) => {
    this.#timers.push([this.time_ms + ms, callback]);
  };

  pass(ms) {
    this.time_ms += ms;
    const due = this.#timers.filter(([at]) => at <= this.time_ms);
    this.#timers = this.#timers.filter(([at]) => at > this.time_ms);
    due.sort(([a], [b]) => a - b).forEach(([, callback]) => callback());
  }
}
