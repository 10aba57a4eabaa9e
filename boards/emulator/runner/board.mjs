/**
 * The board: a chip, its flash, its console and its link, a power switch, and the loop that runs
 * it in real time. It may lag behind, never run ahead: its own time then passes more slowly.
 */
import { keptBy, makeChip } from './chip.mjs';
import { Dice } from './dice.mjs';
import { PowerCut } from './flash.mjs';
import { UartLine } from './uart.mjs';

const CYCLE_NS = 8; // 125 MHz
const INSTRUCTIONS_PER_TICK = 24;
const INSTRUCTIONS_PER_LOOK = 2000; // at what has come for the board
// Then the host's own events get their turn.
const SLICE_MS = 4;
// A sleeping core is woken at least this often, and looks after what has come each time that
// it has slept for longer.
const LONGEST_NAP_NS = 1e6;
const SHORT_NAP_NS = 1e5;
const MOST_BEHIND_MS = 20;
const MOST_AHEAD_MS = 0.5;

export class Board {
  #chip = null;
  #line = null;
  #resetAsked = false;
  #panicked = false;
  #epoch_ms = 0;
  #pending = null;
  #before_us = 0;

  /** `link` gets what the board's UART 0 says, and is answered with `receive`. */
  constructor({ flash, console: port, link, seed = 0, log = () => {}, verbose = false }) {
    this.flash = flash;
    this.console = port;
    this.link = link;
    this.dice = new Dice(`${seed} board`);
    this.log = log;
    this.verbose = verbose;
    this.starts = [];
    this.instructions = 0;
  }

  get powered() {
    return this.#chip !== null;
  }

  /** The board's own time in microseconds, over all resets. */
  get now_us() {
    return this.#before_us + (this.#chip ? this.#chip.clock.micros : 0);
  }

  get state() {
    if (!this.#chip) return 'off';
    return this.#panicked ? 'panicked' : 'on';
  }

  /** Bytes for UART 0. */
  receive(bytes) {
    this.#line?.send(bytes);
  }

  powerOn() {
    if (this.powered) return;
    this.#start('power', null);
    this.#run();
  }

  /** Everything but the flash is lost. */
  powerOff() {
    if (!this.powered) return;
    if (this.#pending) this.#pending();
    this.#pending = null;
    this.#stop();
  }

  #stop() {
    this.#before_us = this.now_us;
    this.#chip = null;
    this.#line = null;
    this.console.detach();
    this.link.reset();
    this.flash.onChange = () => {};
  }

  #start(why, kept) {
    this.#resetAsked = false;
    this.#panicked = false;
    this.#chip = makeChip({
      flash: this.flash,
      dice: this.dice,
      kept,
      verbose: this.verbose,
      onReset: () => {
        this.#resetAsked = true;
      },
      onPanic: ({ pc, lr }) => {
        this.#panicked = true;
        this.log(`the firmware has panicked at ${pc.toString(16)}, called from ${lr.toString(16)}`);
      },
    });
    const { uart, clock } = this.#chip;
    this.#line = new UartLine(uart[0], clock, (byte) => this.link.ppp.feed(byte));
    this.console.attach(this.#chip);
    this.#epoch_ms = performance.now();
    this.starts.push({ why, at_us: Math.round(this.now_us) });
    this.log(`start after ${why}`);
  }

  #run() {
    this.#pending = null;
    try {
      this.#slice();
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      this.log('the power was cut during a write to the flash');
      this.#stop();
      return;
    }
    if (this.#resetAsked) {
      const kept = keptBy(this.#chip);
      this.#stop();
      this.#start('watchdog', kept);
    }
    const ahead_ms = this.#ahead_ms();
    if (ahead_ms > MOST_AHEAD_MS) {
      const timer = setTimeout(() => this.#run(), Math.min(ahead_ms, 2));
      this.#pending = () => clearTimeout(timer);
    } else {
      const turn = setImmediate(() => this.#run());
      this.#pending = () => clearImmediate(turn);
    }
  }

  #ahead_ms() {
    return this.#chip.clock.nanos / 1e6 - (performance.now() - this.#epoch_ms);
  }

  #slice() {
    const { core, clock } = this.#chip;
    const begun_ms = performance.now();
    if (this.#ahead_ms() < -MOST_BEHIND_MS) this.#epoch_ms = begun_ms - clock.nanos / 1e6;
    while (!this.#resetAsked && performance.now() - begun_ms < SLICE_MS) {
      this.console.pump();
      this.#line.pump();
      for (let n = 0; n < INSTRUCTIONS_PER_LOOK && !this.#resetAsked; ) {
        if (core.waiting || this.#panicked) {
          if (this.#ahead_ms() > 0) return;
          const nap_ns = Math.min(clock.nanosToNextAlarm || LONGEST_NAP_NS, LONGEST_NAP_NS);
          clock.tick(nap_ns);
          if (nap_ns > SHORT_NAP_NS) break;
          n++;
        } else {
          let cycles = 0;
          let executed = 0;
          do {
            cycles += core.executeInstruction();
            executed++;
          } while (executed < INSTRUCTIONS_PER_TICK && !core.waiting);
          clock.tick(cycles * CYCLE_NS);
          this.instructions += executed;
          n += executed;
        }
      }
    }
  }
}
