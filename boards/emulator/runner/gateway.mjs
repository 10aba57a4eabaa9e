/**
 * The host as the board sees it, 10.0.0.1: UDP to its port P goes to 127.0.0.1:P, and what comes
 * back goes back, as through the NAT of a home router. It answers ping. Nothing else of this
 * machine and nothing beyond it can be reached.
 */
import dgram from 'node:dgram';
import {
  ICMP,
  NO_PORT,
  NO_PROTOCOL,
  UDP,
  answerEcho,
  buildUdp,
  buildUnreachable,
  parsePacket,
  parseUdp,
} from './ip.mjs';
import { BOARD_ADDRESS, OUR_ADDRESS } from './ppp.mjs';

const LOOPBACK = '127.0.0.1';
const MOST_FLOWS = 256;
const MOST_MEASURED = 1024;
// What fits into one packet over PPP; larger ones would have to be fragmented.
const LONGEST_DATAGRAM = 1472;

/** One pair of ports, with a socket of its own on the host. */
class Flow {
  #ready = false;
  #waiting = [];

  constructor(gateway, port, to) {
    this.gateway = gateway;
    this.port = port;
    this.to = to;
    this.asked_us = null;
    this.lastPacket = null;
    this.socket = dgram.createSocket('udp4');
    this.socket.on('message', (data) => gateway.fromHost(this, data));
    // Nobody listens there, which the kernel tells a connected socket.
    this.socket.on('error', () => gateway.refused(this));
    this.socket.connect(gateway.hostPort(to), LOOPBACK, () => {
      this.#ready = true;
      for (const data of this.#waiting) this.#write(data);
      this.#waiting = [];
    });
  }

  send(data) {
    if (this.#ready) this.#write(data);
    else this.#waiting.push(data);
  }

  #write(data) {
    this.socket.send(data, (error) => {
      if (error) this.gateway.refused(this);
    });
  }

  close() {
    this.#ready = false;
    this.#waiting = [];
    this.socket.close();
  }
}

export class Gateway {
  #flows = new Map();
  #identifier = 0;
  #turnarounds_us = [];

  /**
   * `send(packet)` takes packets for the board. `now_us()` is the board's own time. `ports` maps
   * ports of 10.0.0.1 to other ones of the host, e.g. 123 to that of a test's NTP server.
   */
  constructor({ send, now_us = () => 0, ports = {}, log = () => {} }) {
    this.send = send;
    this.now_us = now_us;
    this.log = log;
    this.ports = new Map();
    this.statistics = { up: 0, down: 0, pings: 0, refused: 0, dropped: 0 };
    for (const [from, to] of Object.entries(ports)) this.map(Number(from), to);
  }

  hostPort(port) {
    return this.ports.get(port) ?? port;
  }

  /** From now on, port `from` of 10.0.0.1 is port `to` of the host. Throws RangeError. */
  map(from, to) {
    for (const port of [from, to]) {
      if (!Number.isInteger(port) || port < 1 || port > 65535) {
        throw new RangeError(`${port} is no port`);
      }
    }
    this.ports.set(from, to);
    for (const [key, flow] of this.#flows) {
      if (flow.to === from) this.#drop(key, flow);
    }
  }

  /** A packet from the board. Whatever it is, nothing is thrown. */
  fromBoard(bytes) {
    const packet = parsePacket(bytes);
    if (!packet || !packet.target.every((byte, i) => byte === OUR_ADDRESS[i])) {
      this.statistics.dropped++;
    } else if (packet.protocol === ICMP) {
      this.#ping(packet);
    } else if (packet.protocol === UDP) {
      this.#up(packet);
    } else {
      this.statistics.refused++;
      this.send(buildUnreachable(packet, NO_PROTOCOL));
    }
  }

  #ping(packet) {
    const answer = answerEcho(packet);
    if (!answer) {
      this.statistics.dropped++;
      return;
    }
    this.statistics.pings++;
    this.send(answer);
  }

  #up(packet) {
    const datagram = parseUdp(packet);
    if (!datagram || !datagram.to || !datagram.from) {
      this.statistics.dropped++;
      return;
    }
    const { from, to, data } = datagram;
    const key = `${from}:${to}`;
    let flow = this.#flows.get(key);
    if (flow) {
      this.#flows.delete(key); // the one that was used last is the last to go
    } else {
      flow = new Flow(this, from, to);
    }
    this.#flows.set(key, flow);
    if (this.#flows.size > MOST_FLOWS) this.#drop(...this.#flows.entries().next().value);
    if (flow.asked_us !== null) {
      if (this.#turnarounds_us.length === MOST_MEASURED) this.#turnarounds_us.shift();
      this.#turnarounds_us.push(this.now_us() - flow.asked_us);
      flow.asked_us = null;
    }
    flow.lastPacket = packet;
    this.statistics.up++;
    flow.send(data);
  }

  fromHost(flow, data) {
    if (data.length > LONGEST_DATAGRAM) {
      this.statistics.dropped++;
      return;
    }
    this.#identifier = (this.#identifier + 1) & 0xffff;
    this.statistics.down++;
    flow.asked_us = this.now_us();
    this.send(
      buildUdp({
        source: OUR_ADDRESS,
        target: BOARD_ADDRESS,
        from: flow.to,
        to: flow.port,
        data,
        identifier: this.#identifier,
      }),
    );
  }

  refused(flow) {
    this.statistics.refused++;
    if (flow.lastPacket) this.send(buildUnreachable(flow.lastPacket, NO_PORT));
    flow.lastPacket = null;
  }

  /**
   * How long the board took from the arrival of a datagram to the next one it sent to the same
   * port, in microseconds of its own time. Each is told once.
   */
  takeTurnarounds() {
    return this.#turnarounds_us.splice(0);
  }

  /** Forget all flows, as a NAT does in time: the next datagrams come from other ports. */
  rebind() {
    for (const [key, flow] of this.#flows) this.#drop(key, flow);
  }

  #drop(key, flow) {
    this.#flows.delete(key);
    flow.close();
  }

  get flows() {
    return this.#flows.size;
  }

  close() {
    this.rebind();
  }
}
