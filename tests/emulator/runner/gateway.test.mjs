import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { Gateway } from '../../../boards/emulator/runner/gateway.mjs';
import { Link } from '../../../boards/emulator/runner/link.mjs';
import { encodeFrame } from '../../../boards/emulator/runner/hdlc.mjs';
import {
  ICMP,
  buildPacket,
  buildUdp,
  parsePacket,
  parseUdp,
} from '../../../boards/emulator/runner/ip.mjs';
import { Noise, framesIn } from './noise.mjs';

const ends = { source: [10, 0, 0, 2], target: [10, 0, 0, 1] };

/** A gateway, and `next()`: the next packet for the board. */
function gateway(t, options = {}) {
  const arrived = [];
  let wake = () => {};
  const made = new Gateway({
    ...options,
    send: (packet) => {
      arrived.push(parsePacket(packet));
      wake();
    },
  });
  t.after(() => made.close());
  const next = async () => {
    while (!arrived.length) await new Promise((resolve) => (wake = resolve));
    return arrived.shift();
  };
  return { made, next };
}

/** Answers with what it got, and remembers from where. */
async function echoServer(t) {
  const socket = dgram.createSocket('udp4');
  const heard = [];
  socket.on('message', (data, { port }) => {
    heard.push(port);
    socket.send(Buffer.concat([Buffer.from('re:'), data]), port, '127.0.0.1');
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => socket.close());
  return { port: socket.address().port, heard };
}

const text = ({ data }) => Buffer.from(data).toString();

const datagram = (to, words, from = 49152) =>
  buildUdp({ ...ends, from, to, data: Buffer.from(words) });

test('a datagram goes to the port of the same number, and its answer comes back', async (t) => {
  const { port } = await echoServer(t);
  let time_us = 1000;
  const { made, next } = gateway(t, { now_us: () => time_us });
  made.fromBoard(datagram(port, 'one'));
  const answer = parseUdp(await next());
  assert.deepEqual([answer.from, answer.to, text(answer)], [port, 49152, 're:one']);
  time_us = 3500;
  made.fromBoard(datagram(port, 'two'));
  assert.deepEqual(made.takeTurnarounds(), [2500]);
  assert.deepEqual(made.takeTurnarounds(), []);
});

test('a NAT that forgets sends from another port; one that does not, from the same', async (t) => {
  const { port, heard } = await echoServer(t);
  const { made, next } = gateway(t);
  for (const rebind of [false, false, true]) {
    if (rebind) made.rebind();
    made.fromBoard(datagram(port, 'x'));
    await next();
  }
  assert.equal(heard[0], heard[1]);
  assert.notEqual(heard[1], heard[2]);
});

test('a port can be another one on the host', async (t) => {
  const { port } = await echoServer(t);
  const { made, next } = gateway(t, { ports: { 123: port } });
  made.fromBoard(datagram(123, 'time?'));
  const answer = parseUdp(await next());
  assert.deepEqual([answer.from, text(answer)], [123, 're:time?']);
  assert.throws(() => made.map(0, 5), RangeError);
  assert.throws(() => made.map(5, 70000), RangeError);
});

test('a port where nobody listens is unreachable', async (t) => {
  const { port } = await echoServer(t);
  const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const closed = socket.address().port;
  socket.close();
  await once(socket, 'close');
  const { made, next } = gateway(t);
  made.fromBoard(datagram(closed, 'anyone?'));
  const answer = await next();
  assert.deepEqual([answer.protocol, answer.payload[0], answer.payload[1]], [ICMP, 3, 3]);
  made.fromBoard(datagram(port, 'and you?'));
  assert.equal(text(parseUdp(await next())), 're:and you?');
});

test('what is not for it, or no protocol of its, goes nowhere', async (t) => {
  const { made, next } = gateway(t);
  made.fromBoard(buildUdp({ ...ends, target: [8, 8, 8, 8], from: 1, to: 53, data: [1] }));
  assert.equal(made.statistics.dropped, 1);
  made.fromBoard(buildPacket({ ...ends, protocol: 6, payload: Buffer.alloc(20) }));
  assert.deepEqual([...(await next()).payload.subarray(0, 2)], [3, 2]);
});

test('the flows are bounded', async (t) => {
  const { port } = await echoServer(t);
  const { made } = gateway(t);
  for (let from = 1000; from < 1600; from++) made.fromBoard(datagram(port, 'x', from));
  assert.equal(made.flows, 256);
});

test('no packet from the board throws', (t) => {
  const noise = new Noise('gateway');
  const { made } = gateway(t);
  for (let i = 0; i < 20_000; i++) made.fromBoard(noise.bytes(80));
  assert.equal(made.flows, 0);
});

test('a damaged frame is dropped by its check, in both directions', async (t) => {
  const { port, heard } = await echoServer(t);
  const lines = [];
  const link = new Link({ send: (bytes) => lines.push(bytes), seed: 1 });
  t.after(() => link.gateway.close());
  const say = (protocol, payload) =>
    encodeFrame(protocol, payload).forEach((byte) => link.ppp.feed(byte));
  link.change({ corrupt: 1 });
  // The link itself comes up on the worst of lines: only packets are damaged.
  say(0xc021, [1, 1, 0, 4]);
  say(0x8021, [1, 2, 0, 10, 3, 6, 10, 0, 0, 2]);
  assert.equal(link.ppp.up, true);
  lines.length = 0;

  say(0x21, datagram(port, 'damaged'));
  assert.equal(link.statistics.frames.bad_fcs, 1);
  assert.equal(link.statistics.gateway.up, 0);

  link.change({ corrupt: 0 }, 'up');
  say(0x21, datagram(port, 'good'));
  while (!lines.length) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(heard.length, 1);
  assert.deepEqual(framesIn(lines), []);
  assert.equal(link.statistics.down.corrupted, 1);
});
