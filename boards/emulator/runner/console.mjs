/**
 * The board's USB console on a TCP port, for `mpremote connect socket://127.0.0.1:PORT`. One
 * connection at a time: a new one takes over, as the last one may be half dead. When the board
 * is reset its USB port vanishes, and so does the connection.
 */
import fs from 'node:fs';
import net from 'node:net';
import { USBCDC } from './rp2040js.mjs';

// From the moment that a host knows a board until a program on it has opened the port. What is
// typed earlier would reach a MicroPython that does not listen for Ctrl-C yet.
const OPENING_NS = 300e6;

export class Console {
  #server = net.createServer((socket) => this.#accept(socket));
  #socket = null;
  #typed = [];
  #at = 0;
  #cdc = null;
  #usb = null;
  #read = null;
  #wanted = 0;
  #open_ns = Infinity;
  #clock = null;
  #transcript;

  /** `transcript`: a file that gets everything the board prints. */
  constructor({ transcript, log = () => {} } = {}) {
    this.log = log;
    this.#transcript = transcript === undefined ? null : fs.openSync(transcript, 'a');
  }

  /** Resolves to the port; 0 takes a free one. */
  listen(port) {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', () => resolve(this.#server.address().port));
    });
  }

  #accept(socket) {
    this.#socket?.destroy();
    this.#socket = socket;
    this.#typed = [];
    this.#at = 0;
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.#typed.push(bytes));
    socket.on('error', () => {});
    socket.on('close', () => {
      if (this.#socket === socket) this.#socket = null;
    });
    this.log('console: connected');
  }

  /** Plug the console into a chip that is about to start. */
  attach(chip) {
    this.detach();
    const cdc = new USBCDC(chip.usbCtrl);
    cdc.onSerialData = (bytes) => {
      const copy = Buffer.from(bytes);
      this.#socket?.write(copy);
      if (this.#transcript !== null) fs.writeSync(this.#transcript, copy);
    };
    cdc.onDeviceConnected = () => {
      this.#open_ns = chip.clock.nanos + OPENING_NS;
      this.log('console: the board is on USB');
    };
    // A host that has nothing to send answers nothing; rp2040js would complete empty packets all
    // the time, and keep the firmware busy with them.
    this.#read = chip.usbCtrl.onEndpointRead;
    chip.usbCtrl.onEndpointRead = (endpoint, size) => {
      if (endpoint === cdc.outEndpoint && cdc.txFIFO.empty) this.#wanted = size;
      else this.#read(endpoint, size);
    };
    this.#cdc = cdc;
    this.#usb = chip.usbCtrl;
    this.#clock = chip.clock;
  }

  detach() {
    if (this.#cdc) this.#socket?.end();
    this.#cdc = null;
    this.#open_ns = Infinity;
    this.#wanted = 0;
    this.#typed = [];
    this.#at = 0;
  }

  /** Hand on what was typed, as far as the board takes it. */
  pump() {
    const cdc = this.#cdc;
    if (!cdc || this.#clock.nanos < this.#open_ns) return;
    while (this.#typed.length && !cdc.txFIFO.full) {
      cdc.sendSerialByte(this.#typed[0][this.#at++]);
      if (this.#at === this.#typed[0].length) {
        this.#typed.shift();
        this.#at = 0;
      }
    }
    if (this.#wanted && !cdc.txFIFO.empty) {
      const size = this.#wanted;
      this.#wanted = 0;
      this.#read.call(this.#usb, cdc.outEndpoint, size);
    }
  }

  close() {
    this.#socket?.destroy();
    this.#server.close();
    if (this.#transcript !== null) fs.closeSync(this.#transcript);
  }
}
