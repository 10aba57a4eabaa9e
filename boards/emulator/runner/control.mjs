/**
 * What a test may do to the board while it runs: one JSON object a line on a TCP port of the
 * loopback interface, each answered with one line, {"ok": true, "result": …} or
 * {"ok": false, "error": "…"}, with the request's "id" if it had one.
 */
import net from 'node:net';
import { DIRECTIONS } from './link.mjs';

// A request is a few words; whoever sends more is lost.
const LONGEST_LINE = 65536;

export class RequestError extends Error {}

const POWER = ['on', 'off', 'cycle'];

function oneOf(value, choices, what) {
  if (!choices.includes(value)) {
    throw new RequestError(`${what} is one of ${choices.join(', ')}, not ${JSON.stringify(value)}`);
  }
  return value;
}

function positive(value, what) {
  if (typeof value !== 'number' || !(value > 0) || !Number.isFinite(value)) {
    throw new RequestError(`${what} is a number above 0, not ${JSON.stringify(value)}`);
  }
  return value;
}

/** The commands by name: (board, fields of the request) → result. */
const COMMANDS = {
  status: (board) => ({
    state: board.state,
    link: board.link.ppp.up,
    starts: board.starts,
    time_us: Math.round(board.now_us),
    instructions: board.instructions,
    flash: board.flash.statistics,
  }),

  power: (board, { state }) => {
    oneOf(state, POWER, 'state');
    if (state !== 'on') board.powerOff();
    if (state !== 'off') board.powerOn();
    return { state: board.state };
  },

  cut: (board, { after_writes }) => board.flash.cutAt(positive(after_writes, 'after_writes')),

  faults: (board, { direction, ...changes }) => {
    if (direction !== undefined) oneOf(direction, DIRECTIONS, 'direction');
    board.link.change(changes, direction);
    return Object.fromEntries(
      DIRECTIONS.map((name) => [name, board.link.channels[name].faults]),
    );
  },

  blackout: (board, { duration_s }) => board.link.blackOut(positive(duration_s, 'duration_s')),

  rebind: (board) => board.link.gateway.rebind(),

  map: (board, { port, to }) => board.link.gateway.map(port, to),

  statistics: (board) => board.link.statistics,

  turnarounds: (board) => board.link.gateway.takeTurnarounds(),
};

/** The answer to one line. Whatever the line is, nothing is thrown. */
export function answer(board, line) {
  let id;
  try {
    const request = JSON.parse(line);
    if (typeof request !== 'object' || request === null || Array.isArray(request)) {
      throw new RequestError('a request is an object');
    }
    const { do: name, ...fields } = request;
    ({ id } = fields);
    delete fields.id;
    if (typeof name !== 'string' || !Object.hasOwn(COMMANDS, name)) {
      throw new RequestError(`do is one of ${Object.keys(COMMANDS).join(', ')}`);
    }
    return { id, ok: true, result: COMMANDS[name](board, fields) ?? null };
  } catch (error) {
    return { id, ok: false, error: error.message };
  }
}

/** Serves requests on `port`, 0 takes a free one. Resolves to the server. */
export function serveControl(board, port) {
  const server = net.createServer((socket) => {
    let pending = '';
    socket.setEncoding('utf8');
    socket.on('error', () => {});
    socket.on('data', (text) => {
      const lines = (pending + text).split('\n');
      pending = lines.pop();
      for (const line of lines) {
        if (line.trim()) socket.write(`${JSON.stringify(answer(board, line))}\n`);
      }
      if (pending.length > LONGEST_LINE) socket.destroy();
    });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
