/** PPP in HDLC-like framing (RFC 1662): flags, escapes and the frame check sequence. */

const FLAG = 0x7e;
const ESCAPE = 0x7d;
const TOGGLE = 0x20;
const ALL_STATIONS = 0xff;
const UNNUMBERED = 0x03;
const GOOD_FCS = 0xf0b8;
// An MRU of 1500 with its header, and room for those who take more than they said.
const LONGEST = 2048;

const FCS_TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x8408 : value >>> 1;
  return value;
});

/** FCS-16 over `bytes`; GOOD_FCS when they end with their own. */
export function fcs16(bytes) {
  let fcs = 0xffff;
  for (const byte of bytes) fcs = (fcs >>> 8) ^ FCS_TABLE[(fcs ^ byte) & 0xff];
  return fcs;
}

export const intact = (frame) => fcs16(frame) === GOOD_FCS;

/** The bytes on the line for `payload` of a protocol. Control characters are escaped. */
export function encodeFrame(protocol, payload) {
  const frame = [ALL_STATIONS, UNNUMBERED, protocol >> 8, protocol & 0xff, ...payload];
  const fcs = fcs16(frame) ^ 0xffff;
  frame.push(fcs & 0xff, fcs >> 8);
  const line = [FLAG];
  for (const byte of frame) {
    if (byte === FLAG || byte === ESCAPE || byte < 0x20) line.push(ESCAPE, byte ^ TOGGLE);
    else line.push(byte);
  }
  line.push(FLAG);
  return Uint8Array.from(line);
}

/** The same with one bit turned; `place`, from 0 to 1, says which of those between the ends. */
export function withBitTurned(bytes, place) {
  const damaged = Uint8Array.from(bytes);
  const bit = Math.floor(place * (bytes.length - 2) * 8);
  if (bytes.length > 2) damaged[1 + (bit >> 3)] ^= 1 << (bit & 7);
  return damaged;
}

/**
 * Finds frames in what comes from the line. `onFrame(protocol, payload)` is called for the good
 * ones. Whatever the bytes are, nothing is thrown.
 *
 * `through(frame, accept)`, where given, gets each frame before it is checked, and calls `accept`
 * with it: once, never or more often, now or later, changed or not.
 */
export class FrameDecoder {
  #frame = [];
  #escaped = false;
  #tooLong = false;

  constructor(onFrame, { through = (frame, accept) => accept(frame) } = {}) {
    this.onFrame = onFrame;
    this.through = through;
    this.statistics = { frames: 0, bad_fcs: 0, too_short: 0, too_long: 0 };
  }

  feed(byte) {
    if (byte === FLAG) {
      const frame = this.#frame;
      const aborted = this.#escaped;
      const tooLong = this.#tooLong;
      this.reset();
      if (tooLong) this.statistics.too_long++;
      else if (aborted) this.statistics.too_short++;
      else if (frame.length) this.through(frame, (passed) => this.#accept(passed));
    } else if (byte === ESCAPE) {
      this.#escaped = true;
    } else if (this.#frame.length >= LONGEST) {
      this.#tooLong = true;
    } else {
      this.#frame.push(this.#escaped ? byte ^ TOGGLE : byte);
      this.#escaped = false;
    }
  }

  /** Forget a frame that has begun. */
  reset() {
    this.#frame = [];
    this.#escaped = false;
    this.#tooLong = false;
  }

  #accept(frame) {
    if (frame.length < 4) {
      this.statistics.too_short++;
      return;
    }
    if (!intact(frame)) {
      this.statistics.bad_fcs++;
      return;
    }
    let at = frame[0] === ALL_STATIONS && frame[1] === UNNUMBERED ? 2 : 0;
    // An odd first byte is a whole protocol number (RFC 1661 §2).
    let protocol = frame[at++];
    if (!(protocol & 1)) protocol = (protocol << 8) | frame[at++];
    if (at + 2 > frame.length) {
      this.statistics.too_short++;
      return;
    }
    this.statistics.frames++;
    this.onFrame(protocol, Uint8Array.from(frame.slice(at, -2)));
  }
}
