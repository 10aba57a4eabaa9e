/**
 * The flash chip: an image file, written through at every erased sector and every programmed
 * page, so that whatever ends this process is to the board a power cut and nothing worse.
 */
import fs from 'node:fs';

export const FLASH_BYTES = 2 * 1024 * 1024;
// Above it is the file system: see firmware/mpconfigboard.h.
export const FIRMWARE_BYTES = 1024 * 1024;

const BLANK = 0xff;

/** Thrown in the middle of a write that the power did not last for. */
export class PowerCut extends Error {}

export class Flash {
  #file;
  #untilCut = null;

  /** Opens the image, or makes a blank one. Throws Error if it has another size. */
  constructor(path) {
    this.bytes = new Uint8Array(FLASH_BYTES).fill(BLANK);
    this.statistics = { erased: 0, programmed: 0 };
    this.onChange = () => {};
    this.#file = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT);
    const { size } = fs.fstatSync(this.#file);
    if (size === 0) {
      fs.writeSync(this.#file, this.bytes, 0, FLASH_BYTES, 0);
    } else if (size === FLASH_BYTES) {
      fs.readSync(this.#file, this.bytes, 0, FLASH_BYTES, 0);
    } else {
      throw new Error(`${path}: ${size} bytes are no image of this flash`);
    }
  }

  /** Put a firmware into its half; the file system stays. Throws Error if it does not fit. */
  install(firmware) {
    if (firmware.length > FIRMWARE_BYTES) {
      throw new Error(`a firmware of ${firmware.length} bytes does not fit`);
    }
    this.bytes.fill(BLANK, 0, FIRMWARE_BYTES);
    this.bytes.set(firmware);
    this.#write(0, FIRMWARE_BYTES);
  }

  /** The power fails in the middle of the `count`-th write from now. */
  cutAt(count) {
    this.#untilCut = count;
  }

  erase(offset, size) {
    this.statistics.erased++;
    this.#change(offset, size, (length) => this.bytes.fill(BLANK, offset, offset + length));
  }

  /** As flash does it: bits only go from 1 to 0. */
  program(offset, content) {
    this.statistics.programmed++;
    this.#change(offset, content.length, (length) => {
      for (let i = 0; i < length; i++) this.bytes[offset + i] &= content[i];
    });
  }

  #change(offset, size, work) {
    if (offset + size > FLASH_BYTES) return; // beyond the chip: nothing happens
    const cut = this.#untilCut !== null && --this.#untilCut <= 0;
    const length = cut ? size >> 1 : size;
    work(length);
    this.#write(offset, length);
    if (cut) {
      this.#untilCut = null;
      throw new PowerCut();
    }
  }

  #write(offset, length) {
    fs.writeSync(this.#file, this.bytes, offset, length, offset);
    this.onChange(offset, length);
  }

  close() {
    fs.closeSync(this.#file);
  }
}
