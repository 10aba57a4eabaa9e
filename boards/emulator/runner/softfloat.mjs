/**
 * The floating-point functions of the RP2040's boot ROM (data sheet §2.8.3.2), computed with the
 * host's numbers. The firmware finds them by their position in two tables, one for 32-bit and one
 * for 64-bit floats, with the same order; arguments and results are in the core's registers.
 */

const view = new DataView(new ArrayBuffer(8));

/** 32-bit floats: one register each. */
const SINGLE = {
  registers: 1,
  load(R, at) {
    view.setUint32(0, R[at]);
    return view.getFloat32(0);
  },
  store(R, at, value) {
    view.setFloat32(0, value);
    R[at] = view.getUint32(0);
  },
};

/** 64-bit floats: two registers each, the lower half first. */
const DOUBLE = {
  registers: 2,
  load(R, at) {
    view.setUint32(4, R[at]);
    view.setUint32(0, R[at + 1]);
    return view.getFloat64(0);
  },
  store(R, at, value) {
    view.setFloat64(0, value);
    R[at] = view.getUint32(4);
    R[at + 1] = view.getUint32(0);
  },
};

const I64_MIN = -(1n << 63n);
const I64_MAX = (1n << 63n) - 1n;
const U64_MAX = (1n << 64n) - 1n;

/** Conversions round towards minus infinity, and end at the largest number there is. */
function clamp(value, low, high) {
  if (Number.isNaN(value)) return 0;
  return Math.max(low, Math.min(high, Math.floor(value))) >>> 0;
}

function clampBig(value, low, high) {
  if (Number.isNaN(value)) return 0n;
  if (value <= Number(low)) return low;
  return value >= Number(high) ? high : BigInt(Math.floor(value));
}

const toInt = (value) => clamp(value, -0x80000000, 0x7fffffff);
const toUint = (value) => clamp(value, 0, 0xffffffff);
const toInt64 = (value) => clampBig(value, I64_MIN, I64_MAX);
const toUint64 = (value) => clampBig(value, 0n, U64_MAX);

function loadBig(R, signed) {
  const value = (BigInt(R[1]) << 32n) | BigInt(R[0]);
  return signed ? BigInt.asIntN(64, value) : value;
}

function storeBig(R, value) {
  const bits = BigInt.asUintN(64, value);
  R[0] = Number(bits & 0xffffffffn);
  R[1] = Number(bits >> 32n);
}

function compare(a, b) {
  if (a < b) return -1;
  return a > b ? 1 : 0;
}

/** The table of one width, in the order of the data sheet. */
function table(format, other) {
  const { registers: width, load, store } = format;
  const one = (f) => (R) => store(R, 0, f(load(R, 0)));
  const two = (f) => (R) => store(R, 0, f(load(R, 0), load(R, width)));
  const scale = (R, at) => 2 ** (R[at] | 0);
  return [
    two((a, b) => a + b),
    two((a, b) => a - b),
    two((a, b) => a * b),
    two((a, b) => a / b),
    (R) => {
      R[0] = compare(load(R, 0), load(R, width)) >>> 0;
    },
    (R, chip) => {
      const a = load(R, 0);
      const b = load(R, width);
      Object.assign(chip.core, { N: a < b, Z: a === b, C: a >= b, V: false });
    },
    one(Math.sqrt),
    (R) => {
      R[0] = toInt(load(R, 0));
    },
    (R) => {
      R[0] = toInt(load(R, 0) * scale(R, width));
    },
    (R) => {
      R[0] = toUint(load(R, 0));
    },
    (R) => {
      R[0] = toUint(load(R, 0) * scale(R, width));
    },
    (R) => store(R, 0, R[0] | 0),
    (R) => store(R, 0, (R[0] | 0) / scale(R, 1)),
    (R) => store(R, 0, R[0]),
    (R) => store(R, 0, R[0] / scale(R, 1)),
    one(Math.cos),
    one(Math.sin),
    one(Math.tan),
    (R) => {
      const angle = load(R, 0);
      store(R, 0, Math.sin(angle));
      store(R, width, Math.cos(angle));
    },
    one(Math.exp),
    one(Math.log),
    (R) => {
      R[0] = compare(load(R, 0), load(R, width)) >>> 0;
    },
    two(Math.atan2),
    (R) => store(R, 0, Number(loadBig(R, true))),
    (R) => store(R, 0, Number(loadBig(R, true)) / scale(R, 2)),
    (R) => store(R, 0, Number(loadBig(R, false))),
    (R) => store(R, 0, Number(loadBig(R, false)) / scale(R, 2)),
    (R) => storeBig(R, toInt64(load(R, 0))),
    (R) => storeBig(R, toInt64(load(R, 0) * scale(R, width))),
    (R) => storeBig(R, toUint64(load(R, 0))),
    (R) => storeBig(R, toUint64(load(R, 0) * scale(R, width))),
    (R) => other.store(R, 0, load(R, 0)),
  ];
}

export const SINGLE_TABLE = table(SINGLE, DOUBLE);
export const DOUBLE_TABLE = table(DOUBLE, SINGLE);
