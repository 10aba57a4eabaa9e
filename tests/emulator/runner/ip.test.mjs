import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ICMP,
  NO_PORT,
  answerEcho,
  buildPacket,
  buildUdp,
  buildUnreachable,
  checksum,
  parsePacket,
  parseUdp,
} from '../../../boards/emulator/runner/ip.mjs';
import { Noise } from './noise.mjs';

const BOARD = [10, 0, 0, 2];
const HOST = [10, 0, 0, 1];
const ends = { source: BOARD, target: HOST };

test('the checksum is that of the example in RFC 1071', () => {
  assert.equal(checksum([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2 ^ 0xffff);
});

test('a datagram comes out of its packet again', () => {
  const noise = new Noise('udp');
  for (let i = 0; i < 300; i++) {
    const [from, to] = [1 + noise.below(65535), 1 + noise.below(65535)];
    const data = noise.bytes(600);
    const packet = parsePacket(buildUdp({ ...ends, from, to, data, identifier: i }));
    assert.deepEqual(parseUdp(packet), { from, to, data });
  }
});

test('a turned bit anywhere in a datagram is found', () => {
  const good = buildUdp({ ...ends, from: 1000, to: 5683, data: Buffer.from('data') });
  for (let bit = 0; bit < good.length * 8; bit++) {
    const damaged = Uint8Array.from(good);
    damaged[bit >> 3] ^= 1 << (bit & 7);
    const packet = parsePacket(damaged);
    assert.equal(packet && parseUdp(packet), null, `bit ${bit}`);
  }
});

test('fragments, other versions and packets that were cut are refused', () => {
  const good = buildUdp({ ...ends, from: 1, to: 2, data: [1, 2, 3] });
  const rewritten = (at, value) => {
    const packet = Uint8Array.from(good);
    packet[at] = value;
    packet[10] = packet[11] = 0;
    const sum = checksum(packet.subarray(0, 20));
    packet[10] = sum >> 8;
    packet[11] = sum & 0xff;
    return packet;
  };
  assert.notEqual(parsePacket(rewritten(8, 7)), null);
  assert.equal(parsePacket(rewritten(6, 0x20)), null);
  assert.equal(parsePacket(rewritten(7, 1)), null);
  assert.equal(parsePacket(rewritten(0, 0x65)), null);
  assert.equal(parsePacket(rewritten(0, 0x44)), null);
  assert.equal(parsePacket(good.subarray(0, good.length - 1)), null);
});

test('an echo request is answered with what was in it', () => {
  const ping = Uint8Array.from([8, 0, 0, 0, 0x12, 0x34, 0, 1, ...Buffer.from('ping!')]);
  const sum = checksum(ping);
  ping[2] = sum >> 8;
  ping[3] = sum & 0xff;
  const request = parsePacket(buildPacket({ ...ends, protocol: ICMP, payload: ping }));
  const answer = parsePacket(answerEcho(request));
  assert.deepEqual([...answer.source, ...answer.target], [...HOST, ...BOARD]);
  assert.deepEqual([...answer.payload.subarray(0, 2)], [0, 0]);
  assert.deepEqual(answer.payload.subarray(4), ping.subarray(4));
  assert.equal(checksum(answer.payload), 0);
  ping[9] ^= 1;
  assert.equal(answerEcho({ ...request, payload: ping }), null);
});

test('"unreachable" quotes the header and the ports', () => {
  const datagram = buildUdp({ ...ends, from: 1000, to: 5683, data: Buffer.alloc(100) });
  const { protocol, payload } = parsePacket(buildUnreachable(parsePacket(datagram), NO_PORT));
  assert.equal(protocol, ICMP);
  assert.deepEqual([payload[0], payload[1]], [3, 3]);
  assert.deepEqual(payload.subarray(8), datagram.subarray(0, 28));
});

test('no packet throws, whatever it holds', () => {
  const noise = new Noise('ip');
  let understood = 0;
  for (let i = 0; i < 100_000; i++) {
    const bytes = noise.bytes(60);
    if (bytes.length >= 20) {
      // Most with a header that is good, or nothing would be tried behind it.
      bytes[0] = 0x45;
      bytes[2] = 0;
      bytes[3] = bytes.length - noise.below(3);
      bytes[6] = bytes[7] = bytes[10] = bytes[11] = 0;
      const sum = checksum(bytes.subarray(0, 20));
      bytes[10] = sum >> 8;
      bytes[11] = sum & 0xff;
    }
    const packet = parsePacket(bytes);
    if (packet) {
      understood++;
      parseUdp(packet);
      answerEcho(packet);
      parsePacket(buildUnreachable(packet, NO_PORT));
    }
  }
  assert.ok(understood > 30_000, `${understood} packets got through`);
});
