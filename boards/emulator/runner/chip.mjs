/**
 * An RP2040 that MicroPython can live on: rp2040js with a boot ROM, a flash that can be written,
 * and repairs. What is said here of rp2040js is true of 1.4.1; each repair would be a small change
 * there (see "What rp2040js lacks" in the README).
 */
import { STACK_TOP, buildBootRom } from './bootrom.mjs';
import { ConsoleLogger, LogLevel, RP2040 } from './rp2040js.mjs';

const FLASH_BASE = 0x10000000;
const WATCHDOG = 0x40058;
const RING_OSCILLATOR = 0x40060;
const RANDOM_BIT = 0x1c;

const POWER_STATES = 0x40010;
const FORCE_OFF = 0x04;
const CORE_1 = 1 << 16;
const SIO_FIFO_STATUS = 0x50;
const SIO_FIFO_READ = 0x58;
const FIFO_VALID = 1 << 0;
const FIFO_READY = 1 << 1;

const NO_LOG = LogLevel.Error + 1;

/**
 * A chip that is ready to start from `flash`.
 *
 * `kept`: what the watchdog left of the chip before, from `keptBy`. `dice` are the noise of its
 * ring oscillator. `onReset()` is called when the watchdog bites or the firmware resets, `onPanic`
 * when it gives up. Writing to `flash` may throw PowerCut out of an instruction.
 */
export function makeChip({ flash, dice, kept, onReset, onPanic, verbose = false }) {
  const chip = new RP2040();
  const { words, functions } = buildBootRom({ flash, onUsbBoot: onReset });
  chip.logger = new ConsoleLogger(verbose ? LogLevel.Error : NO_LOG);
  chip.loadBootrom(words);
  chip.flash.set(flash.bytes);
  flash.onChange = (offset, length) =>
    chip.flash.set(flash.bytes.subarray(offset, offset + length), offset);
  chip.onBreak = (number) => {
    const work = functions[number];
    if (work) work(chip.core.registers, chip);
    else onPanic({ pc: chip.core.PC, lr: chip.core.LR });
  };
  repairWatchdog(chip, kept, onReset);
  repairRandomBit(chip, dice);
  standInForCore1(chip);
  for (const uart of chip.uart) repairUart(uart);
  chip.core.SP = STACK_TOP;
  chip.core.LR = 0;
  chip.core.PC = FLASH_BASE;
  return chip;
}

/** What survives a reset by the watchdog: its reason and its scratch registers. */
export function keptBy(chip) {
  const { reason, scratchData } = chip.peripherals[WATCHDOG];
  return { reason, scratchData: Uint32Array.from(scratchData) };
}

function repairWatchdog(chip, kept, onReset) {
  const watchdog = chip.peripherals[WATCHDOG];
  if (kept) {
    watchdog.reason = kept.reason;
    watchdog.scratchData.set(kept.scratchData);
  }
  watchdog.onWatchdogTrigger = () => {
    // The chip that it resets is this one, once.
    watchdog.alarm.enable = false;
    watchdog.timer.enable = false;
    onReset();
  };
}

/** The ring oscillator is not implemented, and firmware takes its entropy from it. */
function repairRandomBit(chip, dice) {
  const oscillator = chip.peripherals[RING_OSCILLATOR];
  const read = oscillator.readUint32.bind(oscillator);
  oscillator.readUint32 = (offset) => (offset === RANDOM_BIT ? dice.bits() >>> 31 : read(offset));
}

/**
 * There is no second core. What the first one waits for is that it says 0 through the FIFO
 * between them, each time that it comes out of reset.
 */
function standInForCore1(chip) {
  const { sio } = chip;
  const power = chip.peripherals[POWER_STATES];
  let hasSpoken = false;
  const write = power.writeUint32.bind(power);
  power.writeUint32 = (offset, value) => {
    const before = power.readUint32(FORCE_OFF);
    write(offset, value);
    if (before & ~power.readUint32(FORCE_OFF) & CORE_1) hasSpoken = true;
  };
  const read = sio.readUint32.bind(sio);
  sio.readUint32 = (offset) => {
    if (offset === SIO_FIFO_STATUS) return hasSpoken ? FIFO_READY | FIFO_VALID : FIFO_READY;
    if (offset !== SIO_FIFO_READ) return read(offset);
    hasSpoken = false;
    return 0;
  };
}

/**
 * "Transmit" is raised again at every look, which is a storm of interrupts to a driver that
 * sends from them: here it is not raised at all, as the transmitter takes everything at once.
 */
function repairUart(uart) {
  uart.checkInterrupts = function checkInterrupts() {
    this.rp2040.setInterrupt(this.irq, (this.interruptStatus & this.interruptMask) !== 0);
  };
}
