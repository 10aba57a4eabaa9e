"""The unix port as a board on a cable: started by lwm2m_host/board/unixboard.py.

    micropython console.py IMAGE KB START CONTROL ID WRITES

IMAGE   file that is the flash, a littlefs of KB kB
START   "cold" and "warm" run boot.py and main.py as a board does; "raw" only boot.py
CONTROL descriptor that is told R when a program begins to run and I when it is over
ID      unique id of the board, hexadecimal
WRITES  the power is cut at this write to flash; -1: never

It speaks what MicroPython's raw REPL speaks, raw paste included, on standard input and output; the
unix port has none before 1.27. What is done with files on this "board" cannot reach the files of
the computer. A reset ends the process, and the exit code says which one: a fresh process is as
empty as a chip.
"""

import binascii
import gc
import io
import os
import sys

import ffi
import vfs

SOFT_RAW = 81
SOFT = 82
HARD = 83
POWER_CUT = 84

WINDOW = 128
BANNER = b"raw REPL; CTRL-B to exit\r\n>"

exit_now = ffi.open(None).func("v", "_exit", "i")
stdin = sys.stdin.buffer
stdout = sys.stdout.buffer


class Flash:
    """A file as a block device, written through at once, as flash is."""

    SIZE = 4096

    def __init__(self, path, blocks, writes):
        self.blocks = blocks
        self.writes = writes
        try:
            self.file = open(path, "r+b")  # noqa: SIM115 - open as long as the power is on
        except OSError:
            self.file = open(path, "w+b")  # noqa: SIM115
            for _ in range(blocks):
                self.file.write(b"\xff" * self.SIZE)

    def readblocks(self, block, data, offset=0):
        self.file.seek(block * self.SIZE + offset)
        self.file.readinto(data)

    def writeblocks(self, block, data, offset=0):
        if self.writes == 0:
            exit_now(POWER_CUT)
        self.writes -= 1
        self.file.seek(block * self.SIZE + offset)
        self.file.write(data)

    def ioctl(self, operation, _):
        return {4: self.blocks, 5: self.SIZE}.get(operation, 0)


class Machine:
    """The part of a board's `machine` that a process can offer."""

    PWRON_RESET = 1
    HARD_RESET = 2
    SOFT_RESET = 5

    def __init__(self, real, unique, cause):
        self.idle = real.idle
        self.unique = unique
        self.cause = cause

    def reset(self):
        exit_now(HARD)

    def soft_reset(self):
        exit_now(SOFT)

    def unique_id(self):
        return self.unique

    def reset_cause(self):
        return self.cause


class Console:
    """One life between two resets. `tell` is the control channel."""

    def __init__(self, tell):
        self.tell = tell
        self.names = {"__name__": "__main__"}

    def boot(self, start):
        self.run_file("boot.py")
        if start != "raw":
            self.run_file("main.py")

    def run_file(self, name):
        try:
            with open(name) as file:
                text = file.read()
        except OSError:
            return
        error = self.run(text, name)
        if error:
            stdout.write(error)

    def run(self, text, name="<stdin>"):
        """Run a program; returns its traceback, b"" when it went well."""
        error = b""
        try:
            self.tell.write(b"R")
            exec(compile(text, name, "exec"), self.names)
        except SystemExit:
            error = b""
        except BaseException as e:
            out = io.StringIO()
            sys.print_exception(e, out)
            error = out.getvalue().replace("\n", "\r\n").encode()
        self.report_idle()
        return error

    def report_idle(self):
        while True:  # a late Ctrl-C may meet the very end of the program
            try:
                self.tell.write(b"I")
                return
            except KeyboardInterrupt:
                pass

    def read(self):
        """The next byte; the power is off when there is none."""
        while True:
            try:
                byte = stdin.read(1)
            except KeyboardInterrupt:
                continue
            if not byte:
                exit_now(0)
            return byte

    def serve(self, raw):
        """Both REPLs, until a reset."""
        self.report_idle()
        if raw:
            stdout.write(BANNER)
        else:
            self.hello()
        line = b""
        while True:
            byte = self.read()
            if byte == b"\x01":
                raw, line = True, b""
                stdout.write(BANNER)
            elif byte == b"\x02":
                raw, line = False, b""
                self.hello()
            elif byte == b"\x03":
                line = b""
                if not raw:
                    stdout.write(b"\r\n>>> ")
            elif byte == b"\x04" and not line:
                stdout.write((b"OK" if raw else b"") + b"\r\nMPY: soft reboot\r\n")
                exit_now(SOFT_RAW if raw else SOFT)
            elif not raw:
                line = self.friendly(line, byte)
            elif byte == b"\x05" and not line:
                self.paste()
            elif byte == b"\x04":
                stdout.write(b"OK")
                self.answer(line)
                line = b""
            else:
                line += byte

    def hello(self):
        stdout.write(
            b"\r\nMicroPython v%d.%d.%d on a pty; UNIX\r\n>>> " % sys.implementation.version[:3]
        )

    def paste(self):
        """Raw paste: a window of bytes at a time, so that it is not sent faster than read."""
        if self.read() != b"A" or self.read() != b"\x01":
            return
        stdout.write(b"R\x01" + WINDOW.to_bytes(2, "little"))
        text = bytearray()
        while True:
            byte = self.read()
            if byte == b"\x04":
                break
            if byte == b"\x03":
                stdout.write(b"\x04\x04\x04>")
                return
            text += byte
            if len(text) % WINDOW == 0:
                stdout.write(b"\x01")
        stdout.write(b"\x04")
        self.answer(text)

    def answer(self, text):
        try:
            error = self.run(str(text, "utf-8"))
        except UnicodeError:
            error = b"UnicodeError: not UTF-8\r\n"
        stdout.write(b"\x04" + error + b"\x04>")

    def friendly(self, line, byte):
        """A REPL for one line at a time. Returns what is typed so far."""
        if byte == b"\r":
            stdout.write(b"\r\n")
            if line.strip():
                text = str(line, "utf-8")
                try:
                    compile(text, "<stdin>", "eval")
                    text = "_ = " + text + "\nif _ is not None: print(repr(_))"
                except SyntaxError:
                    pass
                stdout.write(self.run(text))
            stdout.write(b">>> ")
            return b""
        if byte in b"\x08\x7f":
            if line:
                stdout.write(b"\x08 \x08")
            return line[:-1]
        if byte >= b" ":
            stdout.write(byte)
            line += byte
        return line


def power_on(image, kb, start, control, unique, writes):
    flash = Flash(image, int(kb) * 1024 // Flash.SIZE, int(writes))
    tell = open(int(control), "wb")  # noqa: SIM115
    try:
        fs = vfs.VfsLfs2(flash)
    except OSError:
        vfs.VfsLfs2.mkfs(flash)
        fs = vfs.VfsLfs2(flash)
    # From here on there is no way to the files of the computer.
    vfs.umount("/")
    vfs.mount(fs, "/")
    os.chdir("/")
    sys.path[:] = ["", ".frozen", "/lib"]
    sys.argv[:] = []

    import machine

    cause = Machine.PWRON_RESET if start == "cold" else Machine.SOFT_RESET
    sys.modules["machine"] = Machine(machine, binascii.unhexlify(unique), cause)
    gc.collect()
    console = Console(tell)
    console.boot(start)
    console.serve(start == "raw")


power_on(*sys.argv[1:])
