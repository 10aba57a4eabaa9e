/** Random numbers that a seed decides: xorshift of 32 bits (Marsaglia 2003). */
export class Dice {
  #state;

  /** `seed` is any text or number. */
  constructor(seed) {
    let hash = 0x811c9dc5; // FNV-1a
    for (const byte of Buffer.from(String(seed))) hash = Math.imul(hash ^ byte, 0x01000193);
    this.#state = hash | 0 || 1;
    for (let i = 0; i < 8; i++) this.bits(); // seeds that are alike part ways
  }

  /** The next 32 bits. */
  bits() {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }

  /** From 0 up to, but not including, 1. */
  next() {
    return this.bits() / 2 ** 32;
  }
}
