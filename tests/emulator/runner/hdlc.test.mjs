import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  FrameDecoder,
  encodeFrame,
  fcs16,
  withBitTurned,
} from '../../../boards/emulator/runner/hdlc.mjs';
import { Noise, framesIn } from './noise.mjs';

test('the FCS is that of the standard', () => {
  // The check value of CRC-16/X-25, which is complemented where the FCS is sent.
  assert.equal(fcs16(Buffer.from('123456789')) ^ 0xffff, 0x906e);
});

test('what is framed comes out again, whatever is in it', () => {
  const noise = new Noise('round trip');
  const sent = Array.from({ length: 500 }, () => [0x21, noise.bytes(300)]);
  sent.push([0xc021, Uint8Array.from({ length: 256 }, (_, i) => i)]);
  assert.deepEqual(framesIn(sent.map(([protocol, payload]) => encodeFrame(protocol, payload))), sent);
});

test('on the line there are no control characters, and flags only at the ends', () => {
  const line = encodeFrame(0x21, Uint8Array.from({ length: 256 }, (_, i) => i));
  assert.ok(line.every((byte) => byte >= 0x20));
  assert.deepEqual([line.indexOf(0x7e), line.indexOf(0x7e, 1)], [0, line.length - 1]);
});

test('a frame with any one bit turned is dropped', () => {
  const good = encodeFrame(0x21, Buffer.from('a packet, \x7e and \x7d in it'));
  const bits = (good.length - 2) * 8;
  for (let bit = 0; bit < bits; bit++) {
    const damaged = withBitTurned(good, bit / bits);
    assert.equal(damaged.filter((byte, i) => byte !== good[i]).length, 1);
    assert.deepEqual(framesIn([damaged]), [], `bit ${bit}`);
  }
  assert.equal(framesIn([good]).length, 1);
});

test('a frame that is aborted, too short or too long is counted and forgotten', () => {
  const found = [];
  const decoder = new FrameDecoder((protocol) => found.push(protocol));
  const feed = (bytes) => bytes.forEach((byte) => decoder.feed(byte));
  feed([0x7e, 1, 2, 0x7d, 0x7e]);
  feed([0x7e, 1, 2, 0x7e]);
  feed([0x7e, ...new Uint8Array(5000).fill(0x55), 0x7e]);
  assert.deepEqual(decoder.statistics, { frames: 0, bad_fcs: 0, too_short: 2, too_long: 1 });
  feed([...encodeFrame(0x21, [1])]);
  assert.deepEqual(found, [0x21]);
});

test('compressed headers are understood', () => {
  const found = [];
  const decoder = new FrameDecoder((protocol, payload) => found.push([protocol, ...payload]));
  const fcs = fcs16([0x21, 5]) ^ 0xffff;
  for (const byte of [0x7e, 0x21, 5, fcs & 0xff, fcs >> 8, 0x7e]) decoder.feed(byte);
  assert.deepEqual(found, [[0x21, 5]]);
});

test('noise on the line throws nothing, and leaves the next frame alone', () => {
  const noise = new Noise('line');
  let found = 0;
  const decoder = new FrameDecoder(() => found++);
  for (let i = 0; i < 200_000; i++) decoder.feed(noise.below(256));
  found = 0;
  decoder.feed(0x7e);
  for (const byte of encodeFrame(0x21, [1, 2, 3])) decoder.feed(byte);
  assert.equal(found, 1);
});
