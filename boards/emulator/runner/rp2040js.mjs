/**
 * rp2040js, from where fetching put it: build/emulator/node. A plain `import` would look for it
 * beside this file, where nothing is ever installed.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const OUT = path.resolve(ROOT, process.env.EMULATOR_OUT ?? 'build/emulator');

export const { RP2040, USBCDC, ConsoleLogger, LogLevel } = createRequire(
  path.join(OUT, 'node', 'package.json'),
)('rp2040js');
