/**
 * The wire between the board and the host, with its faults: PPP at the board's end, the gateway
 * at the other, a channel for each direction between them.
 */
import { Channel } from './faults.mjs';
import { withBitTurned } from './hdlc.mjs';
import { Gateway } from './gateway.mjs';
import { PROTOCOL_IP, PppPeer } from './ppp.mjs';

const carriesIp = (frame) => frame[2] === PROTOCOL_IP >> 8 && frame[3] === (PROTOCOL_IP & 0xff);

export const DIRECTIONS = ['up', 'down'];

export class Link {
  /** `send(bytes)` puts bytes on the line to the board; the rest as in Gateway and Channel. */
  constructor({ send, now_us, ports, seed = 0, log, clock }) {
    this.channels = {
      up: new Channel(`${seed} up`, clock),
      down: new Channel(`${seed} down`, clock),
    };
    this.gateway = new Gateway({
      send: (packet) => this.#down(packet),
      now_us,
      ports,
      log,
    });
    this.ppp = new PppPeer({
      send,
      onPacket: (packet) => this.gateway.fromBoard(packet),
      through: (frame, accept) => this.#up(frame, accept),
      log,
    });
  }

  /** Change the faults of one direction or of both. Throws FaultError. */
  change(changes, direction) {
    const names = direction ? [direction] : DIRECTIONS;
    for (const name of names) this.channels[name].change(changes);
  }

  blackOut(duration_s) {
    for (const name of DIRECTIONS) this.channels[name].blackOut(duration_s);
  }

  /** The board starts over, or is off: what is under way to it is lost. */
  reset() {
    this.ppp.reset();
  }

  get statistics() {
    return {
      up: this.channels.up.statistics,
      down: this.channels.down.statistics,
      frames: this.ppp.decoder.statistics,
      gateway: { ...this.gateway.statistics, flows: this.gateway.flows },
    };
  }

  /**
   * A frame from the board, before it is checked: one that is damaged on the line fails its check.
   * Only packets have faults, so that a bad line does not keep the link itself from coming up.
   */
  #up(frame, accept) {
    if (carriesIp(frame)) {
      this.channels.up.send((place) =>
        accept(place === null ? frame : withBitTurned(frame, place)),
      );
    } else {
      accept(frame);
    }
  }

  #down(packet) {
    this.channels.down.send((place) => this.ppp.sendPacket(packet, place));
  }
}
