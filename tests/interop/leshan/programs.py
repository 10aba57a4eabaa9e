"""Eclipse Leshan from Maven Central: its demo server, and a client on its library.

What is missing is skipped with a line that says what to install. The jars are resolved with the
machine's own mvn when they are not in build/interop/leshan yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.interop.peers import FETCHED, PATIENCE_S, Program
from tests.ports import free_port

HERE = Path(__file__).parent
MODELS = HERE / "models"
PLACE = FETCHED / "leshan"
# The newest libraries, which have no demo server on Maven Central, with a server of ours
NEWEST = HERE / "newest"
NEWEST_PLACE = FETCHED / "leshan-newest"
START_S = 60.0
RESOLVE_S = 300.0

# The quickest start: no optimising compiler, no second thread for the collector. Leshan's JSON
# library looks into collections, which Java allows since version 16 only when it is told to.
JVM = [
    "-Xmx256m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    f"-Dlogback.configurationFile={HERE / 'logback.xml'}",
]

Json = dict[str, Any]


def leshan(project: Path = HERE, place: Path = PLACE) -> list[str]:
    """The beginning of a command: java with its options and the class path of a Maven project."""
    if reason := _missing(project, place):
        pytest.skip(reason)
    return ["java", *JVM, "-cp", f"{place / 'classes'}:{place / 'lib'}/*"]


@functools.cache
def _missing(project: Path, place: Path) -> str:
    """Why Leshan cannot be run here; empty when it can, and everything is in place."""
    if not shutil.which("java"):
        return "java is not here: apt install openjdk-17-jdk-headless maven"
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _resolve(project, place)


def _resolve(project: Path, place: Path) -> str:
    """Bring the jars and compile our program, unless it has been done since they changed."""
    done = place / "done"
    sources = [project / "pom.xml", *(project / "src").iterdir()]
    if done.exists() and done.stat().st_mtime > max(file.stat().st_mtime for file in sources):
        return ""
    if not shutil.which("mvn") or not shutil.which("javac"):
        return "mvn or javac is not here: apt install maven openjdk-17-jdk-headless"
    shutil.rmtree(place / "lib", ignore_errors=True)
    command = ["mvn", "-B", "-q", "-f", str(project / "pom.xml"), "package"]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=RESOLVE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"mvn has not resolved Leshan in {RESOLVE_S:.0f} s: is there a network?"
    if "COMPILATION ERROR" in result.stdout:
        pytest.fail(result.stdout)
    if result.returncode:
        lines = [line for line in result.stdout.splitlines() if "[ERROR]" in line]
        return f"mvn cannot resolve Leshan, is there a network? {lines[0][:300] if lines else ''}"
    done.touch()
    return ""


class LeshanServer:
    """Leshan's demo server on loopback, and its REST interface.

    Started in its own folder, because it keeps files beside it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.secure_port = free_port()
        self.web_port = free_port()
        self.uri = f"coap://127.0.0.1:{self.port}"
        self.web = f"http://127.0.0.1:{self.web_port}/api"
        self.log = folder / "leshan.log"
        self.started_in_s = 0.0

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = {
            "-lh": "127.0.0.1",
            "-lp": self.port,
            "-slh": "127.0.0.1",
            "-slp": self.secure_port,
            "-wh": "127.0.0.1",
            "-wp": self.web_port,
            "-m": MODELS,
        }
        words = [str(word) for item in options.items() for word in item]
        begin = time.monotonic()
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*leshan(), "org.eclipse.leshan.server.demo.LeshanServerDemo", *words],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait_until_it_answers(begin + START_S)
        except BaseException:
            self.stop()
            raise
        self.started_in_s = time.monotonic() - begin

    def _wait_until_it_answers(self, deadline: float) -> None:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.web}/clients", timeout=PATIENCE_S).status_code == 200:
                    return
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """End it without a word to its clients."""
        self.process.kill()
        self.process.wait()

    # The REST interface

    async def ask(
        self, method: str, path: str, body: Any = None, *, text: str | None = None, **query: Any
    ) -> Json:
        """What a request comes to: {"status": "CONTENT(205)", "content": ...}."""
        content: str | None = text
        headers = {"Content-Type": "text/plain;charset=utf-8"} if text is not None else {}
        if body is not None:
            content = json.dumps(body)
            headers = {"Content-Type": "application/json;charset=utf-8"}
        async with httpx.AsyncClient(timeout=PATIENCE_S) as http:
            answer = await http.request(
                method, f"{self.web}/{path}", content=content, headers=headers, params=query
            )
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.text else {}

    async def registration(self, endpoint: str) -> Json | None:
        """What it knows about a client; None when it is not registered."""
        async with httpx.AsyncClient(timeout=PATIENCE_S) as http:
            answer = await http.get(f"{self.web}/clients")
        found: Json
        for found in answer.json():
            if found["endpoint"] == endpoint:
                return found
        return None

    async def until(
        self, endpoint: str, wanted: Callable[[Json | None], bool] = bool
    ) -> Json | None:
        """Its registration as soon as it is as wanted; by default, as soon as there is one."""
        found = None
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    found = await self.registration(endpoint)
                    if wanted(found):
                        return found
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pytest.fail(f"not what was waited for: {found}\n{self.log.read_text()[-2000:]}")

    @contextlib.asynccontextmanager
    async def events(self, endpoint: str) -> AsyncIterator[Events]:
        """All that it tells about a client from now on, each CoAP message included."""
        timeout = httpx.Timeout(PATIENCE_S, read=None)
        async with (
            httpx.AsyncClient(timeout=timeout) as http,
            http.stream(
                "GET",
                f"{self.web}/event",
                params={"ep": endpoint},
                headers={"Accept": "text/event-stream"},
            ) as answer,
        ):
            events = Events()
            task = asyncio.create_task(events.follow(answer))
            try:
                yield events
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


class Events:
    """A stream of Leshan's events, as it comes in."""

    def __init__(self) -> None:
        self.all: list[tuple[str, Json]] = []

    async def follow(self, answer: httpx.Response) -> None:
        name = ""
        async for line in answer.aiter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                self.all.append((name, json.loads(value)))

    async def wait(self, name: str, wanted: Callable[[Json], bool] = bool) -> Json:
        """The first event of a name that is as wanted."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    for kind, data in self.all:
                        if kind == name and wanted(data):
                            return data
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"no event {name} as wanted in {self.all}")

    async def request(self, code: str) -> Json:
        """The first message that it has sent with a code, "GET" for example."""
        return await self.wait("COAPLOG", lambda it: not it["incoming"] and it["code"] == code)


class JavaProgram(Program):
    """A program of ours on Leshan's libraries, told what to do line by line."""

    def __init__(self, command: list[str], folder: Path) -> None:
        super().__init__(command, folder=folder, stdin=asyncio.subprocess.PIPE)

    async def tell(self, line: str) -> None:
        """Write one line for it to obey."""
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n".encode())
        await self.process.stdin.drain()


class LeshanClient(JavaProgram):
    """A client on Leshan's library (src/InteropClient.java). Use it as ``async with``."""

    def __init__(self, uri: str, endpoint: str, folder: Path, lifetime_s: int = 60) -> None:
        words = [uri, endpoint, str(lifetime_s), str(MODELS)]
        super().__init__([*leshan(), "InteropClient", *words], folder)

    async def deregister(self) -> int:
        """End its input, at which it de-registers. Returns its exit code."""
        assert self.process.stdin
        self.process.stdin.close()
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()


class ManagingServer(JavaProgram):
    """A server on the newest libraries (newest/src/ManagingServer.java). Use it as
    ``async with``."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.uri = f"coap://127.0.0.1:{self.port}"
        words = [str(self.port), str(MODELS)]
        super().__init__([*leshan(NEWEST, NEWEST_PLACE), "ManagingServer", *words], folder)

    async def line(self, start: str, after: int = 0) -> str:
        """The first line that begins with a word, of those printed after `after` characters."""
        try:
            async with asyncio.timeout(START_S):
                while True:
                    for line in self.output[after:].splitlines(keepends=True):
                        if line.startswith(f"{start} ") and line.endswith("\n"):
                            return line.strip()
                    assert self.process.returncode is None, self.output
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"no line {start!r} in {self.output[after:]}")

    async def ask(self, line: str, answer: str) -> tuple[str, dict[str, str]]:
        """Obey `line`: the code and the values by path of the line that begins with `answer`."""
        after = len(self.output)
        await self.tell(line)
        words = (await self.line(answer, after)).split(" ")
        return words[1], dict(word.split("=", 1) for word in words[2:])

    async def notified(self, after: int) -> dict[str, str]:
        """The values by path of the next notification."""
        words = (await self.line("notified", after)).split(" ")
        return dict(word.split("=", 1) for word in words[1:])
