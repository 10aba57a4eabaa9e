/**
 * What may happen to a packet on the link, and who decides it. The words and ranges are those of
 * `lwm2m_host.faults`, so that a plan can be tried on either.
 */
import { Dice } from './dice.mjs';

export class FaultError extends Error {}

/** A good wire. See the README for each. */
export const NO_FAULTS = Object.freeze({
  loss: 0,
  duplicate: 0,
  reorder: 0,
  corrupt: 0,
  delay_ms: [0, 0],
  reorder_ms: 50,
  blackout_s: null,
});

const PROBABILITIES = ['loss', 'duplicate', 'reorder', 'corrupt'];

const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);

/** `faults` with `changes`, checked. Throws FaultError, which names the fault that cannot be. */
export function changed(faults, changes) {
  const merged = { ...faults, ...changes };
  for (const name of Object.keys(merged)) {
    if (!(name in NO_FAULTS)) throw new FaultError(`${name}: there is no such fault`);
  }
  for (const name of PROBABILITIES) {
    if (!isNumber(merged[name]) || merged[name] < 0 || merged[name] > 1) {
      throw new FaultError(`${name} is a probability from 0 to 1, not ${merged[name]}`);
    }
  }
  const range = merged.delay_ms;
  if (
    !Array.isArray(range) ||
    range.length !== 2 ||
    !range.every(isNumber) ||
    range[0] < 0 ||
    range[1] < range[0]
  ) {
    throw new FaultError(`delay_ms is a range of milliseconds, not ${JSON.stringify(range)}`);
  }
  if (!isNumber(merged.reorder_ms) || merged.reorder_ms <= 0) {
    throw new FaultError(`reorder_ms is a time, not ${merged.reorder_ms}`);
  }
  const dark = merged.blackout_s;
  if (
    dark !== null &&
    (!Array.isArray(dark) ||
      dark.length !== 2 ||
      !dark.every(isNumber) ||
      dark[0] <= 0 ||
      dark[1] <= dark[0])
  ) {
    throw new FaultError(
      `blackout_s is a duration and a longer period, not ${JSON.stringify(dark)}`,
    );
  }
  return merged;
}

/**
 * One direction of the link. The same seed and the same packets get the same fates: every packet
 * takes the same number of draws, so that changing one fault leaves the others' decisions alone.
 */
export class Channel {
  #dice;
  #held = null;
  #since_s;
  #dark_until_s = -Infinity;

  /** `now_s()` and `later(callback, ms)` are replaced in tests. */
  constructor(seed, { now_s = () => performance.now() / 1000, later = setTimeout } = {}) {
    this.#dice = new Dice(seed);
    this.now_s = now_s;
    this.later = later;
    this.faults = NO_FAULTS;
    this.#since_s = now_s();
    this.statistics = {
      passed: 0,
      lost: 0,
      dark: 0,
      duplicated: 0,
      reordered: 0,
      corrupted: 0,
    };
  }

  /** Change some faults from now on; the period of a blackout begins. Throws FaultError. */
  change(changes) {
    this.faults = changed(this.faults, changes);
    this.#since_s = this.now_s();
  }

  /** Nothing passes for the next seconds. */
  blackOut(duration_s) {
    this.#dark_until_s = this.now_s() + duration_s;
  }

  get dark() {
    const now_s = this.now_s();
    if (now_s < this.#dark_until_s) return true;
    if (!this.faults.blackout_s) return false;
    const [duration, period] = this.faults.blackout_s;
    return (now_s - this.#since_s) % period >= period - duration;
  }

  /**
   * Decide what happens to a packet. Calls `deliver(damage)` for each copy, now or later;
   * `damage` is null or a number from 0 to 1 that says which bit of its frame to turn.
   */
  send(deliver) {
    const { faults, statistics } = this;
    const [lost, doubled, held, corrupt, damage, first, second] = Array.from({ length: 7 }, () =>
      this.#dice.next(),
    );
    if (this.dark) {
      statistics.dark++;
      return;
    }
    if (lost < faults.loss) {
      statistics.lost++;
      return;
    }
    const bit = corrupt < faults.corrupt ? damage : null;
    if (bit !== null) statistics.corrupted++;
    const copies = [first];
    if (doubled < faults.duplicate) {
      statistics.duplicated++;
      copies.push(second);
    }
    const [low, high] = faults.delay_ms;
    const pass = () => {
      for (const draw of copies) {
        const delay = low + draw * (high - low);
        statistics.passed++;
        if (delay > 0) this.later(() => deliver(bit), delay);
        else deliver(bit);
      }
    };
    const before = this.#held;
    this.#held = null;
    if (held < faults.reorder) {
      statistics.reordered++;
      this.#hold(pass);
    } else {
      pass();
    }
    before?.();
  }

  /** Keep a packet until the next one has passed, or until it has waited long enough. */
  #hold(pass) {
    let waiting = true;
    const release = () => {
      if (!waiting) return;
      waiting = false;
      if (this.#held === release) this.#held = null;
      pass();
    };
    this.#held = release;
    this.later(release, this.faults.reorder_ms);
  }
}
