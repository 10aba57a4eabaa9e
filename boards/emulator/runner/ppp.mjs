/**
 * The other end of the board's PPP link (RFC 1661): it takes whatever the board proposes of what
 * it knows, gives it an address (RFC 1332), and hands over the packets that follow.
 */
import { FrameDecoder, encodeFrame, withBitTurned } from './hdlc.mjs';

export const PROTOCOL_IP = 0x0021;
const PROTOCOL_IPCP = 0x8021;
const PROTOCOL_LCP = 0xc021;

const CONFIGURE_REQUEST = 1;
const CONFIGURE_ACK = 2;
const CONFIGURE_NAK = 3;
const CONFIGURE_REJECT = 4;
const TERMINATE_REQUEST = 5;
const TERMINATE_ACK = 6;
const CODE_REJECT = 7;
const PROTOCOL_REJECT = 8;
const ECHO_REQUEST = 9;
const ECHO_REPLY = 10;
const DISCARD_REQUEST = 11;

const LCP_MRU = 1;
const LCP_ASYNC_MAP = 2;
const LCP_MAGIC = 5;
const IPCP_ADDRESS = 3;
const IPCP_DNS = 129;
const IPCP_DNS_2 = 131;

export const OUR_ADDRESS = [10, 0, 0, 1];
export const BOARD_ADDRESS = [10, 0, 0, 2];

/** The options of a Configure-Request as [type, …data], or null if they are malformed. */
export function options(data) {
  const found = [];
  for (let at = 0; at < data.length; ) {
    const size = data[at + 1];
    if (!(size >= 2) || at + size > data.length) return null;
    found.push([data[at], ...data.subarray(at + 2, at + size)]);
    at += size;
  }
  return found;
}

const written = (list) => list.flatMap(([type, ...data]) => [type, data.length + 2, ...data]);

const same = (a, b) => a.length === b.length && a.every((value, i) => value === b[i]);

export class PppPeer {
  #identifier = 0;

  /**
   * `send(bytes)` puts bytes on the line, `onPacket(packet)` gets the IP packets of the board;
   * `through` as in FrameDecoder.
   */
  constructor({ send, onPacket, through, log = () => {} }) {
    this.line = send;
    this.onPacket = onPacket;
    this.log = log;
    this.up = false;
    this.decoder = new FrameDecoder((protocol, payload) => this.#receive(protocol, payload), {
      through,
    });
  }

  /** A byte from the board. */
  feed(byte) {
    this.decoder.feed(byte);
  }

  /** The board has no power any more, or starts over. */
  reset() {
    this.up = false;
    this.decoder.reset();
  }

  /** Send an IP packet to the board; `place` turns a bit of its frame on the line. */
  sendPacket(packet, place = null) {
    const bytes = encodeFrame(PROTOCOL_IP, packet);
    this.line(place === null ? bytes : withBitTurned(bytes, place));
  }

  #receive(protocol, payload) {
    if (protocol === PROTOCOL_IP) {
      if (this.up) this.onPacket(payload);
      return;
    }
    if (protocol !== PROTOCOL_LCP && protocol !== PROTOCOL_IPCP) {
      this.#control(PROTOCOL_LCP, PROTOCOL_REJECT, this.#next(), [
        protocol >> 8,
        protocol & 0xff,
        ...payload,
      ]);
      return;
    }
    const length = payload.length < 4 ? 0 : (payload[2] << 8) | payload[3];
    if (length < 4 || length > payload.length) return;
    const [code, identifier] = payload;
    const data = payload.subarray(4, length);
    if (protocol === PROTOCOL_LCP) this.#lcp(code, identifier, data);
    else this.#ipcp(code, identifier, data);
  }

  #lcp(code, identifier, data) {
    const answer = (with_, content) => this.#control(PROTOCOL_LCP, with_, identifier, content);
    switch (code) {
      case CONFIGURE_REQUEST: {
        // The board begins anew, whatever there was.
        this.up = false;
        const asked = options(data);
        if (!asked) return;
        const known = [LCP_MRU, LCP_ASYNC_MAP, LCP_MAGIC];
        const unknown = asked.filter(([type]) => !known.includes(type));
        if (unknown.length) {
          answer(CONFIGURE_REJECT, written(unknown));
        } else {
          answer(CONFIGURE_ACK, data);
          this.#control(PROTOCOL_LCP, CONFIGURE_REQUEST, this.#next(), []);
        }
        break;
      }
      case CONFIGURE_ACK:
        this.#control(PROTOCOL_IPCP, CONFIGURE_REQUEST, this.#next(), [
          IPCP_ADDRESS,
          6,
          ...OUR_ADDRESS,
        ]);
        break;
      case TERMINATE_REQUEST:
        this.up = false;
        answer(TERMINATE_ACK, []);
        this.log('PPP: the board has ended the link');
        break;
      case ECHO_REQUEST:
        answer(ECHO_REPLY, [0, 0, 0, 0, ...data.subarray(4)]);
        break;
      case CONFIGURE_NAK:
      case CONFIGURE_REJECT:
      case TERMINATE_ACK:
      case CODE_REJECT:
      case PROTOCOL_REJECT:
      case ECHO_REPLY:
      case DISCARD_REQUEST:
        break;
      default:
        this.#control(PROTOCOL_LCP, CODE_REJECT, this.#next(), [code, identifier, ...data]);
    }
  }

  #ipcp(code, identifier, data) {
    const answer = (with_, content) => this.#control(PROTOCOL_IPCP, with_, identifier, content);
    if (code === TERMINATE_REQUEST) {
      this.up = false;
      answer(TERMINATE_ACK, []);
      return;
    }
    if (code !== CONFIGURE_REQUEST) return;
    const asked = options(data);
    if (!asked) return;
    const known = [IPCP_ADDRESS, IPCP_DNS, IPCP_DNS_2];
    const unknown = asked.filter(([type]) => !known.includes(type));
    if (unknown.length) {
      answer(CONFIGURE_REJECT, written(unknown));
      return;
    }
    const ours = asked.map(([type]) => [
      type,
      ...(type === IPCP_ADDRESS ? BOARD_ADDRESS : OUR_ADDRESS),
    ]);
    const wrong = ours.filter((option, i) => !same(option, asked[i]));
    if (wrong.length) {
      answer(CONFIGURE_NAK, written(wrong));
      return;
    }
    answer(CONFIGURE_ACK, data);
    this.up = true;
    this.log('PPP: the link is up');
  }

  #next() {
    this.#identifier = (this.#identifier + 1) & 0xff;
    return this.#identifier;
  }

  #control(protocol, code, identifier, data) {
    const length = data.length + 4;
    this.line(encodeFrame(protocol, [code, identifier, length >> 8, length & 0xff, ...data]));
  }
}
