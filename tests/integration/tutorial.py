"""Reads docs/tutorial.md and does what it says: commands, programs to edit, output to compare.

The fences of the document are what there is to do, in their order:

    ```sh             commands, one a line
    ```text           what those of the block before print, line by line; "…" is any text, and
                      alone in a line any lines
    ```text NAME      what the command with NAME in it, which still runs, has printed by now
    ```text when NAME what the monitor shows in a situation that the test brings about
    ```python         a function that takes the place of the one in firmware/main.py
"""

from __future__ import annotations

import ast
import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.waiting import PATIENCE_S

LANGUAGES = ("sh", "text", "python")


class TutorialError(AssertionError):
    """The document says something else than what happens. The text holds both."""


@dataclass(frozen=True)
class Block:
    """A fence: its language, the words after it, its lines, and where it is."""

    language: str
    label: str
    text: str
    line: int

    @property
    def lines(self) -> list[str]:
        return [line for line in self.text.splitlines() if line.strip()]


def sections(document: str) -> dict[str, list[Block]]:
    """The blocks below each heading of the second level; "" is what comes before the first.
    Raises TutorialError for what would escape the test."""
    found: dict[str, list[Block]] = {"": []}
    title, head, text, start = "", "", "", 0
    for number, line in enumerate(document.splitlines(), 1):
        if start and line == "```":
            language, _, label = head.partition(" ")
            found[title].append(Block(language, label, text, start))
            start = 0
        elif start:
            text += line + "\n"
        elif line.lstrip().startswith(("```", "~~~")):
            head, text, start = line.removeprefix("```"), "", number
            if head.partition(" ")[0] not in LANGUAGES:
                raise TutorialError(f"line {number}: {line!r} is none of {LANGUAGES}")
        elif line.startswith("## "):
            title = line.removeprefix("## ")
            found[title] = []
        elif line.startswith("    "):
            raise TutorialError(f"line {number}: code belongs between fences, where it is tested")
    if start:
        raise TutorialError(f"line {start}: the fence has no end")
    return found


# --- output -----------------------------------------------------------------------------------

# What differs from run to run, and what it has to look like then. All else is as it is shown.
_VARIES = (
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", r"\d{4}-\d\d-\d\dT[\d:.]+Z"),  # a time
    (r"127\.0\.0\.1:\d{4,5}", r"127\.0\.0\.1:\d{4,5}"),  # a port that the system has chosen
    (r"\d+(?:\.\d+){3}", None),  # an address stays
    (r"v?\d+\.\d+\.\d+[\w+.-]*", r"v?\d+\.\d+\.\d+[\w+.-]*"),  # a version
    (r"[\d.]+(?= kB)", r"[\d.]+"),
    (r"[\d.]+(?= s\))", r"[\d.]+"),
    (r"\d+(?= (?:files|modules|boards|ms)\b)", r"\d+"),
    (r"[1-9]\d*(?= unchanged)", r"[1-9]\d*"),
    (r"(?<=in )\d+(?= s$)", r"\d+"),
    (r"\d{5}(?= s\b)", r"\d{5}"),  # of a lifetime, what is left of it
    (r"-?\d+\.\d+", r"-?\d+(?:\.\d+)?"),  # a measurement, which may be a round number
    (r"…", r".*"),
    (r"\s+", r"\s+"),
)
_TOKEN = re.compile("|".join(f"({shown})" for shown, _ in _VARIES))


def as_pattern(line: str) -> re.Pattern[str]:
    """What a line that is printed has to match to be this one."""
    out, at = "", 0
    for found in _TOKEN.finditer(line.strip()):
        out += re.escape(line.strip()[at : found.start()])
        assert found.lastindex is not None
        out += _VARIES[found.lastindex - 1][1] or re.escape(found[0])
        at = found.end()
    return re.compile(out + re.escape(line.strip()[at:]))


def _substance(output: str) -> list[str]:
    """The lines of an output, without those that only separate."""
    plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", output)
    return [line.strip() for line in plain.splitlines() if line.strip(" ─━\t\r")]


def agrees(shown: Sequence[str], output: str, *, gaps: bool = False) -> bool:
    """Whether an output is what is shown. gaps: there may be other lines in between."""
    lines = _substance(output)
    anything = gaps
    at = 0
    for text in shown:
        if text.strip() == "…":
            anything = True
            continue
        pattern = as_pattern(text)
        while anything and at < len(lines) and not pattern.fullmatch(lines[at]):
            at += 1
        if at == len(lines) or not pattern.fullmatch(lines[at]):
            return False
        at += 1
        anything = gaps
    return anything or at == len(lines)


# --- commands ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Known:
    """A command that the document may give.

    pattern: of the whole line. instead: what is run in its place, where groups of the pattern and
    {names} of the tutor are filled in; the command itself when it is "". lasts: it goes on until
    it is ended. again: a reader may have to try it once more, a moment later. answers: to what it
    asks for.
    """

    pattern: str
    instead: str = ""
    lasts: bool = False
    again: bool = False
    answers: tuple[tuple[str, str], ...] = ()


@dataclass
class Lasting:
    """A command that still runs."""

    line: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")


@dataclass
class Tutor:
    """Goes through blocks in a folder.

    known: the commands. words: what stands in the document, and what it is here; replaced in
    commands, and back in what they print. names: for {names} in `Known.instead`.
    """

    folder: Path
    logs: Path
    known: Sequence[Known]
    environment: dict[str, str]
    words: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    situations: dict[str, Callable[[], None]] = field(default_factory=dict)
    running: list[Lasting] = field(default_factory=list)
    said: str = ""
    all_said: str = ""
    _block: Block | None = None
    _logs: int = 0

    @property
    def latest(self) -> Lasting:
        """What was started last, of all that runs."""
        return self.running[-1]

    def do(self, blocks: Sequence[Block]) -> None:
        """Raises TutorialError."""
        for block in blocks:
            if block.language == "sh":
                self._run(block)
            elif block.language == "python":
                self._edit(block)
            elif block.label.startswith("when "):
                self._situation(block)
            elif block.label:
                self._await(block, self._find(block.label), end=True)
            elif self.said:
                self._compare(block)
            else:
                self._await(block, self.latest)

    # One block

    def _run(self, block: Block) -> None:
        self._block = block
        self.said = ""
        for line in block.lines:
            known, command = self.translate(line, block)
            if known.lasts:
                self.start(command, line)
            elif known.answers:
                self.said += self._interactive(block, command, known.answers)
            else:
                self.said += self.call(command)
        self.all_said += self.said

    def call(self, command: str) -> str:
        """Run a command to its end. Returns what it printed."""
        try:
            done = subprocess.run(
                command,
                shell=True,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=PATIENCE_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise TutorialError(f"{command} does not end: {error.output!r}") from None
        return done.stdout.decode(errors="replace")

    def translate(self, line: str, block: Block) -> tuple[Known, str]:
        """What to run for a line of the document."""
        for known in self.known:
            found = re.fullmatch(known.pattern, line)
            if found:
                command = line
                for shown, real in self.words.items():
                    command = command.replace(shown, real)
                if known.instead:
                    command = found.expand(known.instead.format(**self.names))
                return known, command
        raise TutorialError(f"line {block.line}: the test does not know how to run {line!r}")

    def shown(self, output: str) -> str:
        """An output, with the words of the document."""
        for word, real in self.words.items():
            output = output.replace(real, word)
        return output

    def _compare(self, block: Block) -> None:
        assert self._block is not None
        known = [self.translate(line, self._block)[0] for line in self._block.lines]
        until = time.monotonic() + PATIENCE_S
        while not agrees(block.lines, self.shown(self.said)):
            if time.monotonic() > until or not all(item.again for item in known):
                raise TutorialError(self._both(block, self.shown(self.said)))
            time.sleep(0.2)
            self._run(self._block)

    def _await(self, block: Block, what: Lasting, *, end: bool = False) -> None:
        until = time.monotonic() + PATIENCE_S
        while not agrees(block.lines, self.shown(what.output), gaps=True):
            if time.monotonic() > until or what.process.poll() is not None:
                raise TutorialError(self._both(block, self.shown(what.output)))
            time.sleep(0.05)
        if end:
            self.end(what)

    def _situation(self, block: Block) -> None:
        name = block.label.removeprefix("when ")
        if name not in self.situations:
            raise TutorialError(f"line {block.line}: the test cannot bring about {name!r}")
        self.situations[name]()
        self._await(block, self.latest, end=True)

    def _edit(self, block: Block) -> None:
        """Put a function in the place of the one with its name."""
        [function] = ast.parse(block.text).body
        main = self.folder / "firmware" / "main.py"
        text = main.read_text(encoding="utf-8")
        assert isinstance(function, ast.FunctionDef)
        [old] = [
            node
            for node in ast.parse(text).body
            if isinstance(node, ast.FunctionDef) and node.name == function.name
        ]
        lines = text.splitlines(keepends=True)
        lines[old.lineno - 1 : old.end_lineno] = [block.text]
        main.write_text("".join(lines), encoding="utf-8")

    @staticmethod
    def _both(block: Block, output: str) -> str:
        return f"line {block.line} shows\n{block.text}\nand this was printed:\n{output}"

    # Processes

    def start(self, command: str, line: str = "") -> None:
        """Start what lasts. line: what the document calls it."""
        line = line or command
        follows = re.search(r"board (monitor|run)\b", line)
        for what in list(self.running) if follows else []:
            if re.search(r"board (monitor|run)\b", what.line):
                self.end(what)  # a port is for one
        self._logs += 1
        log = self.logs / f"{self._logs}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                f"exec {command}",  # its process is the one that is looked at
                shell=True,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.running.append(Lasting(line, process, log))
        if follows and follows[1] == "monitor":
            self._wait_for_port(self.latest)

    @staticmethod
    def _wait_for_port(what: Lasting) -> None:
        """What is printed before a port is open is not seen."""
        until = time.monotonic() + PATIENCE_S
        folder = Path(f"/proc/{what.process.pid}/fd")
        while time.monotonic() < until and what.process.poll() is None:
            for file in folder.iterdir():
                with contextlib.suppress(OSError):
                    if str(file.readlink()).startswith(("/dev/pts/", "socket:")):
                        return
            time.sleep(0.05)
        raise TutorialError(f"{what.line} does not open its port:\n{what.output}")

    def _find(self, label: str) -> Lasting:
        for what in reversed(self.running):
            if f" {label}" in what.line:
                return what
        raise TutorialError(f"nothing that runs is called {label!r}")

    def end(self, what: Lasting) -> None:
        """As Ctrl-C does."""
        self.running.remove(what)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(what.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                what.process.wait(PATIENCE_S)
                return

    def close(self) -> None:
        for what in reversed(self.running.copy()):
            self.end(what)

    def _interactive(self, block: Block, command: str, answers: Sequence[tuple[str, str]]) -> str:
        """Run a command in a terminal, and answer what it asks."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            command,
            shell=True,
            cwd=self.folder,
            env=self.environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        waiting, output, told = list(answers), "", 0
        with contextlib.suppress(OSError), contextlib.closing(os.fdopen(ours, "r+b", 0)) as line:
            while select.select([line], [], [], PATIENCE_S)[0] and (data := line.read(4096)):
                output += data.decode(errors="replace")
                # What is typed before the question is complete may be thrown away.
                if waiting and waiting[0][0] in output[told:] and output.endswith(": "):
                    told = len(output)
                    answer = waiting.pop(0)[1].format(**self.names)
                    line.write(answer.encode() + b"\n")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGHUP)  # nobody is at the terminal any more
        process.wait(PATIENCE_S)
        if waiting:
            raise TutorialError(f"line {block.line}: it did not ask {waiting[0][0]!r}:\n{output}")
        return output
