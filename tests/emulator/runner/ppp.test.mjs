import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFrame } from '../../../boards/emulator/runner/hdlc.mjs';
import { PppPeer, options } from '../../../boards/emulator/runner/ppp.mjs';
import { Noise, framesIn } from './noise.mjs';

const LCP = 0xc021;
const IPCP = 0x8021;

function peer() {
  const lines = [];
  const packets = [];
  const ppp = new PppPeer({
    send: (bytes) => lines.push(bytes),
    onPacket: (packet) => packets.push(packet),
  });
  const feed = (protocol, payload) => encodeFrame(protocol, payload).forEach((b) => ppp.feed(b));
  return {
    ppp,
    packets,
    feed,
    /** Send a control packet; what comes back, as [protocol, code, identifier, …data]. */
    say(protocol, code, identifier, data = []) {
      feed(protocol, [code, identifier, 0, data.length + 4, ...data]);
      const answers = framesIn(lines.splice(0));
      return answers.map(([number, [kind, id, , , ...rest]]) => [number, kind, id, ...rest]);
    },
  };
}

function bringUp({ say }) {
  say(LCP, 1, 1, [2, 6, 0, 0, 0, 0]);
  say(LCP, 2, 1);
  say(IPCP, 1, 2, [3, 6, 10, 0, 0, 2]);
}

test('a link comes up: options acknowledged, an address given, packets passed on', () => {
  const board = peer();
  assert.deepEqual(board.say(LCP, 1, 7, [2, 6, 0, 0, 0, 0, 5, 6, 1, 2, 3, 4]), [
    [LCP, 2, 7, 2, 6, 0, 0, 0, 0, 5, 6, 1, 2, 3, 4],
    [LCP, 1, 1],
  ]);
  assert.deepEqual(board.say(LCP, 2, 1), [[IPCP, 1, 2, 3, 6, 10, 0, 0, 1]]);
  assert.deepEqual(board.say(IPCP, 1, 8, [3, 6, 0, 0, 0, 0]), [[IPCP, 3, 8, 3, 6, 10, 0, 0, 2]]);
  assert.equal(board.ppp.up, false);
  board.feed(0x21, [1, 2, 3]);
  assert.equal(board.packets.length, 0);
  assert.deepEqual(board.say(IPCP, 1, 9, [3, 6, 10, 0, 0, 2]), [[IPCP, 2, 9, 3, 6, 10, 0, 0, 2]]);
  assert.equal(board.ppp.up, true);
  board.feed(0x21, [1, 2, 3]);
  assert.deepEqual(board.packets, [Uint8Array.of(1, 2, 3)]);
});

test('what is not known is rejected, and only that', () => {
  const { say } = peer();
  assert.deepEqual(say(LCP, 1, 1, [2, 6, 0, 0, 0, 0, 7, 2, 8, 2]), [[LCP, 4, 1, 7, 2, 8, 2]]);
  assert.deepEqual(say(IPCP, 1, 2, [3, 6, 0, 0, 0, 0, 2, 4, 0, 45]), [[IPCP, 4, 2, 2, 4, 0, 45]]);
  assert.deepEqual(say(LCP, 99, 3), [[LCP, 7, 1, 99, 3]]);
  const [[protocol, code, , high, low]] = say(0x80fd, 1, 4);
  assert.deepEqual([protocol, code, high, low], [LCP, 8, 0x80, 0xfd]);
});

test('echo is answered; a new beginning and an end take the link down', () => {
  const board = peer();
  bringUp(board);
  assert.deepEqual(board.say(LCP, 9, 5, [1, 1, 1, 1, 42]), [[LCP, 10, 5, 0, 0, 0, 0, 42]]);
  assert.equal(board.ppp.up, true);
  assert.deepEqual(board.say(LCP, 5, 6), [[LCP, 6, 6]]);
  assert.equal(board.ppp.up, false);
  bringUp(board);
  board.say(LCP, 1, 9);
  assert.equal(board.ppp.up, false);
});

test('options that end too late, or never, are no options', () => {
  assert.equal(options(Uint8Array.of(1, 4, 5)), null);
  assert.equal(options(Uint8Array.of(1, 0)), null);
  assert.equal(options(Uint8Array.of(1)), null);
  assert.deepEqual(options(Uint8Array.of(1, 4, 5, 6, 9, 2)), [[1, 5, 6], [9]]);
});

test('no frame throws, whatever it holds', () => {
  const noise = new Noise('ppp');
  const board = peer();
  const protocols = [LCP, IPCP, 0x21, 0x80fd, 0xc023];
  for (let i = 0; i < 30_000; i++) {
    const payload = noise.bytes(40);
    // Half of them with a code and a length that are understood.
    if (payload.length > 4 && noise.below(2)) {
      payload[0] = noise.below(12);
      payload[2] = 0;
      payload[3] = noise.below(payload.length + 2);
    }
    board.feed(protocols[noise.below(protocols.length)], payload);
  }
  bringUp(board);
  assert.equal(board.ppp.up, true);
});
