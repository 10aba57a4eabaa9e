/** The command line of the emulator: `node main.mjs --help`. */
import fs from 'node:fs';
import { parseArgs } from 'node:util';
import { Board } from './board.mjs';
import { Console } from './console.mjs';
import { serveControl } from './control.mjs';
import { FaultError } from './faults.mjs';
import { Flash } from './flash.mjs';
import { Link } from './link.mjs';

const HELP = `usage: node main.mjs --flash FILE [options]

  --flash FILE        image of the flash; made when it is missing
  --firmware FILE     put this firmware.bin into it first
  --console PORT      of the USB console (default: a free one)
  --control PORT      of the control socket (default: a free one)
  --transcript FILE   append what the board prints
  --map PORT=PORT     a port of 10.0.0.1, and which one of 127.0.0.1 it is; may be repeated
  --seed TEXT         of the faults and of the board's noise (default: another one each time)
  --attached          end when standard input does
  --off               do not switch it on
  --verbose           tell what happens, on standard error

Faults of the link, in both directions:
  --loss P, --duplicate P, --reorder P, --corrupt P    probabilities from 0 to 1
  --delay FROM-TO     milliseconds
  --blackout S/S      duration and period in seconds

The first line on standard output is a JSON object with the ports; then it runs until it is ended.`;

const text = { type: 'string' };
const flag = { type: 'boolean', default: false };
const OPTIONS = {
  help: flag,
  flash: text,
  firmware: text,
  console: { ...text, default: '0' },
  control: { ...text, default: '0' },
  transcript: text,
  map: { ...text, multiple: true, default: [] },
  seed: text,
  attached: flag,
  off: flag,
  verbose: flag,
  loss: text,
  duplicate: text,
  reorder: text,
  corrupt: text,
  delay: text,
  blackout: text,
};

class UsageError extends Error {}

function number(value, what) {
  const parsed = Number(value);
  if (value.trim() === '' || !Number.isFinite(parsed)) {
    throw new UsageError(`--${what} takes a number, not ${value}`);
  }
  return parsed;
}

function portNumber(value, what) {
  const port = number(value, what);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new UsageError(`--${what} takes a port, not ${value}`);
  }
  return port;
}

/** "FROM-TO" or "S/S" as two numbers. */
function pair(value, separator, what) {
  const parts = value.split(separator);
  if (parts.length !== 2) throw new UsageError(`--${what} takes A${separator}B, not ${value}`);
  return parts.map((part) => number(part, what));
}

function faultsOf(values) {
  const faults = {};
  for (const name of ['loss', 'duplicate', 'reorder', 'corrupt']) {
    if (values[name] !== undefined) faults[name] = number(values[name], name);
  }
  if (values.delay !== undefined) faults.delay_ms = pair(values.delay, '-', 'delay');
  if (values.blackout !== undefined) faults.blackout_s = pair(values.blackout, '/', 'blackout');
  return faults;
}

function portsOf(maps) {
  return Object.fromEntries(
    maps.map((entry) => {
      const [from, to] = pair(entry, '=', 'map');
      return [from, to];
    }),
  );
}

async function main() {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    console.log(HELP);
    return;
  }
  if (!values.flash) throw new UsageError('--flash FILE is needed');
  const started_ms = performance.now();
  const log = values.verbose
    ? (line) => console.error(`${((performance.now() - started_ms) / 1000).toFixed(3)} ${line}`)
    : () => {};
  const seed = values.seed ?? String(Date.now());
  const flash = new Flash(values.flash);
  if (values.firmware) flash.install(fs.readFileSync(values.firmware));
  const port = new Console({ transcript: values.transcript, log });
  const link = new Link({
    send: (bytes) => board.receive(bytes),
    now_us: () => board.now_us,
    ports: portsOf(values.map),
    seed,
    log,
  });
  const board = new Board({ flash, console: port, link, seed, log, verbose: values.verbose });
  link.change(faultsOf(values));
  const consolePort = await port.listen(portNumber(values.console, 'console'));
  const control = await serveControl(board, portNumber(values.control, 'control'));
  console.log(JSON.stringify({ console: consolePort, control: control.address().port, seed }));
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
  if (values.attached) {
    // Whoever started this is gone, however that came about.
    process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0));
    process.stdin.resume();
  }
  if (!values.off) board.powerOn();
}

main().catch((error) => {
  const expected =
    error instanceof UsageError ||
    error instanceof FaultError ||
    error instanceof RangeError ||
    error.code !== undefined;
  console.error(`emulator: ${expected ? error.message : error.stack}`);
  process.exit(expected ? 2 : 1);
});
