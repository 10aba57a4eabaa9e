/** IPv4 (RFC 791), UDP (RFC 768) and ICMP (RFC 792): as much as the end of a PPP link needs. */

export const ICMP = 1;
export const UDP = 17;

export const ECHO_REPLY = 0;
export const UNREACHABLE = 3;
export const ECHO_REQUEST = 8;
export const NO_PROTOCOL = 2;
export const NO_PORT = 3;

const HEADER = 20;
const UDP_HEADER = 8;
const TIME_TO_LIVE = 64;
const MORE_FRAGMENTS_AND_OFFSET = 0x3fff;

/** The Internet checksum (RFC 1071) over lists of bytes, of which only the last may be odd. */
export function checksum(...parts) {
  let sum = 0;
  for (const bytes of parts) {
    for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] << 8) | (bytes[i + 1] ?? 0);
  }
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return sum ^ 0xffff;
}

const word = (bytes, at) => (bytes[at] << 8) | bytes[at + 1];

function putWord(bytes, at, value) {
  bytes[at] = value >> 8;
  bytes[at + 1] = value & 0xff;
}

/**
 * A packet as {protocol, source, target, payload, head}, or null if it is damaged or a fragment;
 * `head` is what an ICMP error quotes.
 */
export function parsePacket(packet) {
  if (packet.length < HEADER || packet[0] >> 4 !== 4) return null;
  const header = (packet[0] & 15) * 4;
  const length = word(packet, 2);
  if (header < HEADER || length < header || length > packet.length) return null;
  if (checksum(packet.subarray(0, header)) !== 0) return null;
  if (word(packet, 6) & MORE_FRAGMENTS_AND_OFFSET) return null;
  return {
    protocol: packet[9],
    source: packet.subarray(12, 16),
    target: packet.subarray(16, 20),
    payload: packet.subarray(header, length),
    head: packet.subarray(0, Math.min(length, header + 8)),
  };
}

export function buildPacket({ protocol, source, target, payload, identifier = 0 }) {
  const packet = new Uint8Array(HEADER + payload.length);
  packet[0] = 0x45;
  putWord(packet, 2, packet.length);
  putWord(packet, 4, identifier & 0xffff);
  packet[8] = TIME_TO_LIVE;
  packet[9] = protocol;
  packet.set(source, 12);
  packet.set(target, 16);
  putWord(packet, 10, checksum(packet.subarray(0, HEADER)));
  packet.set(payload, HEADER);
  return packet;
}

const pseudoHeader = (source, target, length) => [
  ...source,
  ...target,
  0,
  UDP,
  length >> 8,
  length & 0xff,
];

/** The UDP datagram in a packet as {from, to, data}: ports and payload. null if it is damaged. */
export function parseUdp({ source, target, payload }) {
  if (payload.length < UDP_HEADER) return null;
  const length = word(payload, 4);
  if (length < UDP_HEADER || length > payload.length) return null;
  const datagram = payload.subarray(0, length);
  const summed = word(datagram, 6) !== 0;
  if (summed && checksum(pseudoHeader(source, target, length), datagram) !== 0) return null;
  return { from: word(datagram, 0), to: word(datagram, 2), data: datagram.subarray(UDP_HEADER) };
}

export function buildUdp({ source, target, from, to, data, identifier }) {
  const payload = new Uint8Array(UDP_HEADER + data.length);
  putWord(payload, 0, from);
  putWord(payload, 2, to);
  putWord(payload, 4, payload.length);
  payload.set(data, UDP_HEADER);
  // Zero would say that there is no checksum.
  const sum = checksum(pseudoHeader(source, target, payload.length), payload);
  putWord(payload, 6, sum || 0xffff);
  return buildPacket({ protocol: UDP, source, target, payload, identifier });
}

function icmp(source, target, type, code, rest) {
  const payload = Uint8Array.from([type, code, 0, 0, ...rest]);
  putWord(payload, 2, checksum(payload));
  return buildPacket({ protocol: ICMP, source, target, payload });
}

/** The answer to an ICMP packet, or null: only an echo request has one. */
export function answerEcho({ source, target, payload }) {
  if (payload.length < 8 || payload[0] !== ECHO_REQUEST || checksum(payload) !== 0) return null;
  return icmp(target, source, ECHO_REPLY, 0, payload.subarray(4));
}

/** "Destination unreachable" in answer to a packet; `code` NO_PROTOCOL or NO_PORT. */
export function buildUnreachable({ source, target, head }, code) {
  return icmp(target, source, UNREACHABLE, code, [0, 0, 0, 0, ...head]);
}
