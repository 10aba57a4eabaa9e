/** Flash, floating point and the control socket. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { answer } from '../../../boards/emulator/runner/control.mjs';
import { FLASH_BYTES, Flash, PowerCut } from '../../../boards/emulator/runner/flash.mjs';
import { Link } from '../../../boards/emulator/runner/link.mjs';
import { DOUBLE_TABLE, SINGLE_TABLE } from '../../../boards/emulator/runner/softfloat.mjs';
import { Noise } from './noise.mjs';

function image(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'flash-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  return path.join(folder, 'flash.img');
}

test('flash: a page only clears bits, a sector sets them, and both are on disk at once', (t) => {
  const file = image(t);
  const flash = new Flash(file);
  flash.program(4096, Uint8Array.of(0xf0, 0x0f));
  flash.program(4096, Uint8Array.of(0x3c, 0xff));
  assert.deepEqual([...fs.readFileSync(file).subarray(4096, 4099)], [0x30, 0x0f, 0xff]);
  assert.equal(new Flash(file).bytes[4096], 0x30); // as after a kill
  flash.erase(4096, 4096);
  assert.equal(fs.readFileSync(file)[4096], 0xff);
});

test('flash: the power fails in the middle of a write', (t) => {
  const file = image(t);
  const flash = new Flash(file);
  flash.cutAt(2);
  flash.program(0, new Uint8Array(256));
  assert.throws(() => flash.program(256, new Uint8Array(256)), PowerCut);
  const { bytes } = new Flash(file);
  assert.deepEqual([bytes[255], bytes[256], bytes[383], bytes[384]], [0, 0, 0, 0xff]);
  flash.program(256, new Uint8Array(256)); // once, not for ever
});

test('flash: a firmware leaves the file system alone; what does not fit is refused', (t) => {
  const file = image(t);
  const flash = new Flash(file);
  flash.program(FLASH_BYTES / 2, Uint8Array.of(1));
  flash.program(100, Uint8Array.of(1));
  flash.install(Uint8Array.of(5, 6));
  assert.deepEqual([flash.bytes[0], flash.bytes[100], flash.bytes[FLASH_BYTES / 2]], [5, 255, 1]);
  assert.throws(() => flash.install(new Uint8Array(FLASH_BYTES)), /does not fit/);
  fs.writeFileSync(file, 'short');
  assert.throws(() => new Flash(file), /no image/);
});

test('floating point: both tables compute what the host computes', () => {
  const view = new DataView(new ArrayBuffer(8));
  const single = (x) => (view.setFloat32(0, x), [view.getUint32(0)]);
  const double = (x) => (view.setFloat64(0, x), [view.getUint32(4), view.getUint32(0)]);
  const widths = [
    [SINGLE_TABLE, single, Math.fround],
    [DOUBLE_TABLE, double, (x) => x],
  ];
  for (const [table, put, round] of widths) {
    const call = (index, ...words) => {
      const R = new Uint32Array(16);
      R.set(words.flat());
      table[index](R, { core: {} });
      return R;
    };
    const result = (x) => put(round(x));
    const size = put(0).length;
    const value = (index, ...words) => [...call(index, ...words).subarray(0, size)];
    const [a, b] = [round(7.25), round(-0.3)];
    [a + b, a - b, a * b, a / b].forEach((expected, index) =>
      assert.deepEqual(value(index, put(a), put(b)), result(expected), `${index}`),
    );
    assert.deepEqual(value(6, put(2)), result(Math.SQRT2));
    assert.deepEqual(value(15, put(1)), result(Math.cos(1)));
    assert.deepEqual(value(22, put(a), put(b)), result(Math.atan2(a, b)));
    // To integers: down, and no further than there are.
    assert.equal(call(7, put(-1.5))[0] | 0, -2);
    assert.equal(call(7, put(1e20))[0], 0x7fffffff);
    assert.equal(call(9, put(-5))[0], 0);
    assert.equal(call(7, put(NaN))[0], 0);
    assert.equal(call(8, put(1.5), [4])[0], 24);
    assert.deepEqual(value(11, [-3 >>> 0]), result(-3));
    assert.deepEqual(value(14, [24], [4]), result(1.5));
    assert.deepEqual([...call(27, put(-1)).subarray(0, 2)], [0xffffffff, 0xffffffff]);
    assert.deepEqual(value(23, [0xffffffff, 0xffffffff]), result(-1));
    assert.deepEqual(value(25, [0, 1]), result(2 ** 32));
    assert.equal(call(4, put(1), put(2))[0], 0xffffffff);
    assert.equal(table.length, 32);
  }
  const R = new Uint32Array(16);
  R.set(single(1.5));
  SINGLE_TABLE[31](R);
  assert.deepEqual([...R.subarray(0, 2)], double(1.5));
});

function board() {
  const link = new Link({ send: () => {}, seed: 1 });
  return { link, state: 'off', starts: [], now_us: 0, flash: { statistics: {}, cutAt() {} } };
}

test('control: a request is answered with its id, a wrong one with what is wrong', () => {
  const it = board();
  assert.deepEqual(answer(it, '{"do": "status", "id": 7}').id, 7);
  assert.equal(answer(it, '{"do": "faults", "loss": 0.5, "direction": "up"}').result.up.loss, 0.5);
  assert.equal(it.link.channels.down.faults.loss, 0);
  const wrong = (line, what) => {
    const { ok, error } = answer(it, line);
    assert.equal(ok, false, line);
    assert.match(error, what);
  };
  wrong('{"do": "dance"}', /do is one of status, power/);
  wrong('{"do": "constructor"}', /do is one of/);
  wrong('{"do": "faults", "loss": 2}', /loss is a probability/);
  wrong('{"do": "faults", "direction": "sideways"}', /direction is one of up, down/);
  wrong('{"do": "power", "state": "maybe"}', /state is one of on, off, cycle/);
  wrong('{"do": "blackout", "duration_s": -1}', /duration_s/);
  wrong('{"do": "cut"}', /after_writes/);
  wrong('{"do": "map", "port": 0, "to": 5}', /no port/);
  wrong('[]', /object/);
  wrong('{', /JSON/);
});

test('control: no line throws', () => {
  const noise = new Noise('control');
  const it = board();
  const words = ['status', 'faults', 'map', 'cut', 'blackout', 'rebind', 'statistics', 'power'];
  for (let i = 0; i < 5000; i++) {
    const line = Buffer.from(noise.bytes(40)).toString('latin1');
    assert.equal(typeof answer(it, line).ok, 'boolean');
    const request = {
      do: words[noise.below(words.length)],
      [['loss', 'port', 'state', 'delay_ms', '__proto__'][noise.below(5)]]: line,
    };
    assert.equal(typeof answer(it, JSON.stringify(request)).ok, 'boolean');
  }
});
