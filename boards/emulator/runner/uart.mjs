/**
 * The two wires of a UART, as fast as the baud rate that the firmware has set, on the board's own
 * clock. rp2040js hands on and takes every byte at once.
 */

const BITS_PER_BYTE = 10; // with start and stop bit
const RECEIVE_TIMEOUT = 1 << 6;

/** Bytes on their way, each with the time at which it has arrived. */
class Wire {
  #bytes = [];
  #next = 0;
  #free_ns = 0;

  put(byte, now_ns, byte_ns) {
    this.#free_ns = Math.max(this.#free_ns, now_ns) + byte_ns;
    this.#bytes.push([byte, this.#free_ns]);
  }

  /** The next byte that has arrived, or undefined. */
  take(now_ns) {
    const first = this.#bytes[this.#next];
    if (!first || first[1] > now_ns) return undefined;
    if (++this.#next === this.#bytes.length) {
      this.#bytes = [];
      this.#next = 0;
    }
    return first[0];
  }
}

export class UartLine {
  #in = new Wire();
  #out = new Wire();

  /** `onByte(byte)` gets what the board says. */
  constructor(uart, clock, onByte) {
    this.uart = uart;
    this.clock = clock;
    this.onByte = onByte;
    uart.onByte = (byte) => this.#out.put(byte, clock.nanos, this.#byte_ns);
  }

  get #byte_ns() {
    return (BITS_PER_BYTE * 1e9) / this.uart.baudRate;
  }

  /** Bytes for the board. While its UART is off they go nowhere. */
  send(bytes) {
    if (!this.uart.enabled) return;
    const now_ns = this.clock.nanos;
    for (const byte of bytes) this.#in.put(byte, now_ns, this.#byte_ns);
  }

  /** Hand on what has arrived, both ways. */
  pump() {
    const now_ns = this.clock.nanos;
    for (let byte; (byte = this.#out.take(now_ns)) !== undefined; ) this.onByte(byte);
    const { uart } = this;
    let received = 0;
    // A FIFO that is full would lose bytes on a chip; here they wait.
    while (!uart.rxFIFO.full) {
      const byte = this.#in.take(now_ns);
      if (byte === undefined) break;
      uart.feedByte(byte);
      received++;
    }
    if (received) {
      // rp2040js has no receive time-out, which tells of the bytes below the threshold.
      uart.interruptStatus |= RECEIVE_TIMEOUT;
      uart.checkInterrupts();
    }
  }
}
