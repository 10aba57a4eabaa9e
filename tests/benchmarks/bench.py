"""`make bench`: what the firmware and the server cost, as a table and as build/bench.json.

MICROCOAPY=path names a copy of microCoAPy, whose codec is then measured in the same process;
WAKAAMA=path names a lwm2mserver of Wakaama, which then has the same load as ours (host_others).
Everything runs on the 32-bit port with the compiled firmware. A number that cannot be had is an
error; a number that misses its target is marked.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import block_bench
import host_bench
import import_bench
import observe_bench
from device_runs import (
    MPY,
    PACKED,
    ROM,
    ROM_INTERPRETER,
    ROOT,
    SCRIPTS,
    BenchError,
    compile_mpy,
    finish,
    prepare,
    running,
)
from format_bench import measure_formats
from host_others import measure_others
from peer import CONTENT, DELETE, GET, POST, PUT, Peer, PeerError
from rich.console import Console
from rich.table import Table

Metrics = dict[str, float]

RESULT = ROOT / "build" / "bench.json"
EMULATED = ROOT / "build" / "emulator" / "metrics.json"  # written by `make emulate`
CLIENTS = ROOT / "build" / "clients.json"  # written by `make clients`
CODEC = ("encode_get", "encode_content", "decode_get", "decode_content")
HOW_TO_EMULATE = "rp2040.*: make emulate and make emulate-all measure them"
HOW_TO_CLIENTS = "host.clients.*: make clients measures them"
HOW_TO = "microCoAPy: not measured; set MICROCOAPY to a checkout of insighio/microCoAPy on GitHub"

# What issue and design ask for: (metric, at most or at least, value)
TARGETS: dict[str, tuple[str, float]] = {
    **{f"codec.{name}.heap_bytes": ("<=", 0) for name in CODEC},
    **{f"format.{name}.scalar.encode.heap_bytes": ("<=", 0) for name in ("tlv", "text", "cbor")},
    "registered.heap_bytes": ("<=", 32 * 1024),
    "min_heap.cycle.kb": ("<=", 56),
    "packed.registered.heap_bytes": ("<=", 28_500),
    "packed.min_heap.cycle.kb": ("<=", 46),
    "packed.import_ratio": ("<=", 0.35),
    "packed.serve_read.ratio": (">=", 0.97),
    "rom.serve_read.ratio": (">=", 0.97),
    "serve_read.garbage_bytes": ("<=", 192),
    "serve_read.echo_ratio": (">=", 0.3),
    "block.up.blocks_per_s": (">=", 500),
    "block.down.blocks_per_s": (">=", 500),
    "block.heap_bytes": ("<=", 2048),
    "notify.heap_bytes": ("<=", 0),
    "observe.100.ratio": ("<=", 2),
    "oom.allocations_failed": (">=", 4000),
    "oom.ended": ("<=", 0),
    "oom.lost_registrations": ("<=", 0),
    "oom.inconsistent": ("<=", 0),
    "fuzz.datagrams": (">=", 1_000_000),
    "fuzz.heap_growth_bytes": ("<=", 0),
    **host_bench.TARGETS,
    **json.loads((ROOT / "boards" / "emulator" / "targets.json").read_text(encoding="utf-8")),
    "soak.days": (">=", 30),
    "soak.heap_growth_bytes": ("<=", 0),
}

SPEED_HEAP = "256k"  # that of an RP2040
ROM_HEAP = "512k"  # the same at 64 bits
SPEED_ROUNDS = 7
SPEED_ROUND_S = 0.4
WINDOW = 8


def measure_codec(metrics: Metrics, baseline: Path | None) -> None:
    """codec.*, and microcoapy.codec.* with their ratios, interleaved in one process."""
    arguments = []
    if baseline is not None:
        package = baseline / "microcoapy"
        if not (package / "coap_packet.py").exists():
            raise BenchError(f"MICROCOAPY={baseline}: there is no microcoapy/coap_packet.py")
        for source in package.glob("*.py"):
            compile_mpy(source, SCRIPTS / "microcoapy" / f"{source.stem}.mpy")
        arguments = ["microcoapy"]
    with running("codec", *arguments, heap="256k") as process:
        for line in finish(process).splitlines():
            found = json.loads(line)
            metrics.update((name, found[name]) for name in sorted(found, reverse=True))
    for name in CODEC if baseline else ():
        us = f"codec.{name}.us"
        metrics[f"codec.{name}.ratio"] = metrics[us] / metrics[f"microcoapy.{us}"]


def footprint(modules: Path = MPY) -> tuple[str, str]:
    """The heap of the imports and of a registered client, and the modules that are loaded."""
    with Peer() as peer, running("footprint", peer.uri, modules=modules) as process:
        peer.expect(process, POST)
        numbers, names = finish(process).splitlines()
    return numbers, names


def measure_footprint(metrics: Metrics) -> None:
    """import.core, registered, mpy.core and mpy.total."""
    numbers, names = footprint()
    imported, registered = numbers.split()
    metrics["import.core.heap_bytes"] = int(imported)
    metrics["registered.heap_bytes"] = int(registered)
    metrics["mpy.core.bytes"] = sum(module_file(name).stat().st_size for name in names.split())
    metrics["mpy.total.bytes"] = sum(path.stat().st_size for path in MPY.rglob("*.mpy"))


def module_file(name: str) -> Path:
    """The compiled file of a module or of the root of a package."""
    path = MPY / name.replace(".", "/")
    for file in (path.with_suffix(".mpy"), path / "__init__.mpy"):
        if file.exists():
            return file
    if path.is_dir():  # a package without a root of its own
        return Path(os.devnull)
    raise BenchError(f"{name}: no compiled file")


def cycle_completes(heap_kb: int, modules: Path = MPY) -> bool:
    """Register, read, write, execute, two updates and de-register within this heap."""
    try:
        with (
            Peer(patience_s=1.0) as peer,
            running("cycle", peer.uri, heap=f"{heap_kb}k", modules=modules) as process,
        ):
            peer.expect(process, POST)
            peer.request(process, GET, "/3/0", expected=CONTENT)
            peer.request(process, PUT, "/1/0/1", b"\xc1\x01\x3d")
            peer.expect(process, POST)
            peer.request(process, POST, "/3/0/12")
            peer.request(process, POST, "/1/0/8")
            peer.expect(process, POST)
            peer.expect(process, DELETE)
            finish(process, 5)
    except (PeerError, BenchError, ConnectionError):
        return False
    return True


def min_heap_kb(modules: Path = MPY) -> int:
    """Smallest heap for the cycle, by bisection; a size is enough when three runs in a row
    complete."""
    low, high = 8, 256
    if not cycle_completes(high, modules):
        raise BenchError(f"min_heap.cycle: does not complete in {high} kB")
    while high - low > 1:
        middle = (low + high) // 2
        if all(cycle_completes(middle, modules) for _ in range(3)):
            high = middle
        else:
            low = middle
    return high


def measure_min_heap(metrics: Metrics) -> None:
    """min_heap.cycle."""
    metrics["min_heap.cycle.kb"] = min_heap_kb()


def measure_garbage(metrics: Metrics) -> None:
    """serve_read.garbage_bytes: 110 reads less 10 reads, which leaves out the measuring."""
    with Peer() as peer, running("serve", peer.uri) as process:
        peer.expect(process, POST)
        counts = (50, 10, 110, 0)
        for count in counts:
            peer.request(process, POST, "/26241/0/0")
            for _ in range(count):
                peer.request(process, GET, "/3/0/0", expected=CONTENT)
        process.kill()
        lines = process.communicate()[0].split()
    if len(lines) != len(counts):
        raise BenchError(f"serve_read.garbage_bytes: the device printed {lines}")
    metrics["serve_read.garbage_bytes"] = (int(lines[3]) - int(lines[2])) / 100


def throughput(peer: Peer, window: int) -> float:
    """Answers per second to GET /3/0/0 with `window` requests under way."""
    peer.sock.settimeout(2)
    data = peer.datagram(GET, "/3/0/0")
    head = data[:2]
    tail = data[4:]
    answered = mid = 0
    send = peer.sock.send
    receive = peer.sock.recv
    start = time.perf_counter()
    end = start + SPEED_ROUND_S
    for mid in range(window):
        send(head + mid.to_bytes(2, "big") + tail)
    while time.perf_counter() < end:
        if receive(2048)[2:4] != (answered & 0xFFFF).to_bytes(2, "big"):
            raise BenchError("serve_read: an answer is missing")
        answered += 1
        mid = mid + 1 & 0xFFFF
        send(head + mid.to_bytes(2, "big") + tail)
    passed = time.perf_counter() - start
    for _ in range(window):
        receive(2048)
    return answered / passed


def measure_speed(metrics: Metrics) -> None:
    """serve_read.per_s and echo.per_s: both processes wait, and are loaded in turns.

    One request is under way, as CoAP has it (NSTART, RFC 7252 §4.7), so that both sides pay for
    the load generator and the kernel too. `.window8.` keeps the queue filled instead: the ratio
    of what the two programs themselves need.
    """
    with (
        Peer() as reader,
        Peer() as echo,
        running("serve", reader.uri, heap=SPEED_HEAP) as device,
        running("echo", "127.0.0.1", str(echo.port), heap=SPEED_HEAP) as echoer,
    ):
        reader.expect(device, POST)
        echo.receive(echoer)
        peers = {"serve_read": reader, "echo": echo}
        for window, name in ((1, "per_s"), (WINDOW, f"window{WINDOW}.per_s")):
            found: dict[str, list[float]] = {key: [] for key in peers}
            for _ in range(SPEED_ROUNDS):
                for key, peer in peers.items():
                    found[key].append(throughput(peer, window))
            for key in peers:
                metrics[f"{key}.{name}"] = statistics.median(found[key])
    for part in ("", f"window{WINDOW}."):
        ratio = metrics[f"serve_read.{part}per_s"] / metrics[f"echo.{part}per_s"]
        metrics[f"serve_read.{part}echo_ratio"] = ratio


def measure_packed(metrics: Metrics) -> None:
    """packed.*: the same of build/packed; times as ratios to the plain modules, in turns (imports:
    import_bench)."""
    imported, registered = footprint(PACKED)[0].split()
    metrics["packed.import.core.heap_bytes"] = int(imported)
    metrics["packed.registered.heap_bytes"] = int(registered)
    metrics["packed.mpy.core.bytes"] = (PACKED / "lwm2m" / "__init__.mpy").stat().st_size
    metrics["packed.min_heap.cycle.kb"] = min_heap_kb(PACKED)
    metrics.update(import_bench.measure())
    with (
        Peer() as plain,
        Peer() as packed,
        running("serve", plain.uri, heap=SPEED_HEAP) as device,
        running("serve", packed.uri, heap=SPEED_HEAP, modules=PACKED) as packed_device,
    ):
        plain.expect(device, POST)
        packed.expect(packed_device, POST)
        ratios = []
        for _ in range(SPEED_ROUNDS):
            before = throughput(plain, WINDOW)
            ratios.append(2 * throughput(packed, WINDOW) / (before + throughput(plain, WINDOW)))
        metrics["packed.serve_read.ratio"] = statistics.median(ratios)


def measure_rom(metrics: Metrics) -> None:
    """rom.*: the package in ROM against its plain modules, in turns, by a 64-bit interpreter.

    What it takes of a board's memory is measured on the emulated RP2040.
    """
    if not ROM_INTERPRETER.exists():
        raise BenchError("no MicroPython with the package in ROM: make rom-tests")
    with (
        Peer() as plain,
        Peer() as rom,
        running("serve", plain.uri, heap=ROM_HEAP, interpreter=ROM_INTERPRETER) as device,
        running(
            "serve", rom.uri, heap=ROM_HEAP, modules=ROM, interpreter=ROM_INTERPRETER
        ) as rom_device,
    ):
        plain.expect(device, POST)
        rom.expect(rom_device, POST)
        ratios = []
        for _ in range(SPEED_ROUNDS):
            before = throughput(plain, WINDOW)
            ratios.append(2 * throughput(rom, WINDOW) / (before + throughput(plain, WINDOW)))
        metrics["rom.serve_read.ratio"] = statistics.median(ratios)


def measure_endurance(metrics: Metrics) -> None:
    """fuzz.*, soak.* and oom.*: what `make fuzz`, `make soak` and `make memory` have found for
    this very firmware.

    Where they have not been run since it was compiled, they are now (without the codecs).
    """
    compiled = max(path.stat().st_mtime for path in MPY.rglob("*.mpy"))
    for name, arguments in (("fuzz", ["--examples", "0"]), ("soak", []), ("memory", [])):
        result = ROOT / "build" / f"{name}.json"
        if not result.exists() or result.stat().st_mtime < compiled:
            command = [sys.executable, "-m", f"tests.{name}.run", *arguments]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            if done.returncode:
                raise BenchError(f"make {name} fails: {done.stdout[-1000:]}{done.stderr[-1000:]}")
        metrics.update(json.loads(result.read_text(encoding="utf-8")))


def take_emulated(metrics: Metrics) -> None:
    """rp2040.*: what the last `make emulate` and `make emulate-all` have measured."""
    if EMULATED.exists():
        found = json.loads(EMULATED.read_text(encoding="utf-8"))
        metrics.update((name, found[name]) for name in found if name.startswith("rp2040."))


def take_clients(metrics: Metrics) -> None:
    """host.clients.*: what the last `make clients` has measured, if there was one."""
    if CLIENTS.exists():
        metrics.update(json.loads(CLIENTS.read_text(encoding="utf-8")))


def show(metrics: Metrics, console: Console) -> None:
    """The table; a value that misses its target is marked."""
    table = Table(title="32-bit MicroPython, compiled firmware")
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("target", justify="right")
    for name, value in metrics.items():
        text = f"{value:,}" if isinstance(value, int) or value.is_integer() else f"{value:,.2f}"
        target = mark = ""
        if name in TARGETS:
            sign, limit = TARGETS[name]
            met = value <= limit if sign == "<=" else value >= limit
            target = f"{sign} {limit:,}"
            mark = " [green]✓[/]" if met else " [bold red]✗[/]"
        table.add_row(name, text, target + mark)
    console.print(table)


def main() -> int:
    console = Console(width=None if sys.stdout.isatty() else 80)
    named = os.environ.get("MICROCOAPY")
    metrics: Metrics = {}
    try:
        prepare()
        measure_codec(metrics, Path(named).expanduser().resolve() if named else None)
        measure_footprint(metrics)
        measure_min_heap(metrics)
        measure_packed(metrics)
        measure_rom(metrics)
        measure_garbage(metrics)
        measure_speed(metrics)
        metrics.update(block_bench.measure())
        metrics.update(observe_bench.measure())
        measure_endurance(metrics)
        metrics.update(measure_formats())
        host_bench.measure_host(metrics)
        missing = measure_others(metrics)
        take_clients(metrics)
        take_emulated(metrics)
    except (BenchError, PeerError, OSError, ValueError, KeyError) as problem:
        notes = getattr(problem, "__notes__", [])
        print("\n".join([f"bench: {problem!r}", *notes]), file=sys.stderr)
        return 1
    metrics = {name: round(value, 3) for name, value in metrics.items()}
    RESULT.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    show(metrics, console)
    if not named:
        missing.append(HOW_TO)
    if not any(name.startswith("rp2040.") for name in metrics):
        missing.append(HOW_TO_EMULATE)
    if not CLIENTS.exists():
        missing.append(HOW_TO_CLIENTS)
    for line in missing:
        console.print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
