/**
 * A boot ROM of our own: rp2040js comes without one, and the chip's is not ours to ship.
 *
 * It has the layout that firmware relies on (data sheet §2.8.3): a table that maps two letters
 * to a function, and a look-up function for it. Each function is the two instructions
 * "BKPT #n; BX LR": the emulator stops at the first and does the work of function n in
 * JavaScript. It starts no second stage and knows no USB mass storage: whoever boots sets the
 * program counter to the flash.
 */
import { DOUBLE_TABLE, SINGLE_TABLE } from './softfloat.mjs';

const ROM_BYTES = 16384;
const FLASH_BASE = 0x10000000;
const RAM_BASE = 0x20000000;
const RAM_BYTES = 264 * 1024;

export const STACK_TOP = 0x20042000;

const BKPT = 0xbe00;
const BX_LR = 0x4770;
const BRANCH_TO_SELF = 0xe7fe;

const FUNCTION_TABLE_POINTER = 0x14;
const DATA_TABLE_POINTER = 0x16;
const LOOKUP_POINTER = 0x18;
const STUBS = 0x200;
const TABLES = 0x1000;
const SOFT_FLOATS = 0x1800;
// The firmware repairs older ROMs, and asks whether the double functions are there.
const ROM_VERSION = 3;

const bitCount = (R) => {
  let count = 0;
  for (let bits = R[0]; bits; bits >>>= 1) count += bits & 1;
  R[0] = count;
};

const bitReverse = (R) => {
  let reversed = 0;
  for (let i = 0; i < 32; i++) reversed = (reversed << 1) | ((R[0] >>> i) & 1);
  R[0] = reversed >>> 0;
};

const trailingZeros = (R) => {
  R[0] = R[0] ? 31 - Math.clz32(R[0] & -R[0]) : 32;
};

const inRam = (address, size) => address >= RAM_BASE && address + size <= RAM_BASE + RAM_BYTES;

const fill = (R, chip) => {
  const address = R[0];
  const value = R[1];
  const size = R[2];
  if (inRam(address, size)) {
    chip.sram.fill(value & 0xff, address - RAM_BASE, address - RAM_BASE + size);
  } else {
    for (let i = 0; i < size; i++) chip.writeUint8(address + i, value & 0xff);
  }
};

const copy = (R, chip) => {
  const target = R[0];
  const source = R[1];
  const size = R[2];
  const to = target - RAM_BASE;
  if (inRam(target, size) && inRam(source, size)) {
    chip.sram.copyWithin(to, source - RAM_BASE, source - RAM_BASE + size);
  } else if (inRam(target, size) && source >= FLASH_BASE && source < FLASH_BASE + 0x1000000) {
    chip.sram.set(chip.flash.subarray(source - FLASH_BASE, source - FLASH_BASE + size), to);
  } else {
    for (let i = 0; i < size; i++) chip.writeUint8(target + i, chip.readUint8(source + i));
  }
};

/** Looks for the code in register 1 in the table at register 0. */
const lookUp = (R, chip) => {
  const wanted = R[1] & 0xffff;
  for (let entry = R[0]; ; entry += 4) {
    const code = chip.readUint16(entry);
    if (!code || code === wanted) {
      R[0] = code ? chip.readUint16(entry + 2) : 0;
      return;
    }
  }
};

const nothing = () => {};

/**
 * The ROM and what its break points do.
 *
 * `flash` does erase(offset, size) and program(offset, bytes); `onUsbBoot` is called when the
 * firmware asks for the boot loader. Returns {words, functions}: the content of the ROM, and the
 * functions (registers, chip) by the number of their break point; number 0 is left to the
 * firmware, which panics with it.
 */
export function buildBootRom({ flash, onUsbBoot }) {
  const rom = Buffer.alloc(ROM_BYTES);
  const functions = [undefined];
  let free = STUBS;

  /** The address of a function, with the bit that says Thumb. */
  const stub = (work) => {
    rom.writeUInt16LE(BKPT | (functions.push(work) - 1), free);
    rom.writeUInt16LE(BX_LR, free + 2);
    free += 4;
    return (free - 4) | 1;
  };

  const byCode = {
    P3: bitCount,
    R3: bitReverse,
    L3: (R) => {
      R[0] = Math.clz32(R[0]);
    },
    T3: trailingZeros,
    MS: fill,
    S4: fill,
    MC: copy,
    C4: copy,
    // Connect and leave the flash's serial mode: here it can always be read.
    IF: nothing,
    EX: nothing,
    FC: nothing,
    CX: nothing,
    UB: onUsbBoot,
    RE: (R) => flash.erase(R[0], R[1]),
    RP: (R, chip) => {
      const bytes = Uint8Array.from({ length: R[2] }, (_, i) => chip.readUint8(R[1] + i));
      flash.program(R[0], bytes);
    },
  };

  const RESET_HANDLER = 0xf0;
  rom.writeUInt32LE(STACK_TOP, 0);
  rom.writeUInt32LE(RESET_HANDLER | 1, 4);
  rom.writeUInt16LE(BRANCH_TO_SELF, RESET_HANDLER);
  rom.write('Mu', 0x10, 'latin1');
  rom[0x12] = 1;
  rom[0x13] = ROM_VERSION;

  let at = TABLES;
  const entry = (code, value) => {
    rom.write(code, at, 'latin1');
    rom.writeUInt16LE(value, at + 2);
    at += 4;
  };
  rom.writeUInt16LE(at, FUNCTION_TABLE_POINTER);
  for (const [code, work] of Object.entries(byCode)) entry(code, stub(work));
  at += 4; // zero ends a table
  rom.writeUInt16LE(at, DATA_TABLE_POINTER);
  let floats = SOFT_FLOATS;
  for (const [code, table] of [
    ['SF', SINGLE_TABLE],
    ['SD', DOUBLE_TABLE],
  ]) {
    // The firmware copies as many words as the byte two before the table says.
    rom[floats + 2] = table.length;
    floats += 4;
    entry(code, floats);
    for (const work of table) {
      rom.writeUInt32LE(stub(work), floats);
      floats += 4;
    }
  }
  rom.writeUInt16LE(stub(lookUp), LOOKUP_POINTER);
  return { words: new Uint32Array(rom.buffer, rom.byteOffset, ROM_BYTES / 4), functions };
}
