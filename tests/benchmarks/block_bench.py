"""block.*: a megabyte up (Block1 into a stream) and down (Block2 from a hook), block by block.

RFC 7959 has no window: a block leaves when the one before is answered. So the most that can be
reached is what an echo of datagrams as large as these reaches, which is measured in turns.

`measure()` returns the metrics; run as a program it prints them.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

from device_runs import BenchError, prepare, running
from peer import CHANGED, CONTENT, GET, POST, PUT, Peer, path_options

Metrics = dict[str, float]

SIZE = 1024
SZX = 6
COUNT = 1024  # blocks: a megabyte
ROUNDS = 5
HEAP = "256k"  # that of an RP2040
CONTINUE = 0x5F
TOKEN = b"\x01\x02\x03\x04"
PAYLOAD = bytes(range(256)) * (SIZE // 256)


def option(delta: int, value: bytes) -> bytes:
    """One option, its delta below 269."""
    if delta < 13:
        return bytes([delta << 4 | len(value)]) + value
    return bytes([13 << 4 | len(value), delta - 13]) + value


def block_value(number: int, more: bool) -> bytes:
    value = number << 4 | (8 if more else 0) | SZX
    return value.to_bytes((value.bit_length() + 7) // 8)


def upload(number: int) -> bytes:
    """The options and the payload of one block of a Write in octet-stream (42)."""
    block = option(27 - 12, block_value(number, number < COUNT - 1))
    return path_options("/26241/0/2") + option(1, b"\x2a") + block + b"\xff" + PAYLOAD


def download(number: int) -> bytes:
    """The options of a Read of one block, in octet-stream."""
    return (
        path_options("/26241/0/3")
        + option(17 - 11, b"\x2a")
        + option(23 - 17, block_value(number, False))
    )


def transfer(peer: Peer, method: int, blocks: list[bytes], last_code: int, code: int) -> float:
    """Send them one after the other; returns the seconds. Raises BenchError."""
    peer.sock.settimeout(5)
    send, receive = peer.sock.send, peer.sock.recv
    head = bytes([0x44, method])
    mid = peer.mid
    end = len(blocks) - 1
    start = time.perf_counter()
    for number, rest in enumerate(blocks):
        mid = mid + 1 & 0xFFFF
        name = mid.to_bytes(2)
        send(head + name + TOKEN + rest)
        answer = receive(2048)
        expected = code if number < end else last_code
        if answer[2:4] != name or answer[1] != expected:
            raise BenchError(f"block {number}: answered {answer[:16].hex()}")
        if method == GET and (len(answer) < SIZE or answer[-SIZE] != number & 255):
            raise BenchError(f"block {number}: {len(answer)} bytes")
    passed = time.perf_counter() - start
    peer.mid = mid
    return passed


def echo(peer: Peer, size: int) -> float:
    """Seconds for as many datagrams of that size as a transfer has blocks."""
    peer.sock.settimeout(5)
    send, receive = peer.sock.send, peer.sock.recv
    data = bytes(size)
    start = time.perf_counter()
    for _ in range(COUNT):
        send(data)
        receive(2048)
    return time.perf_counter() - start


def execute(peer: Peer, process: subprocess.Popen[str], rid: int) -> None:
    peer.request(process, POST, f"/26241/0/{rid}")


def measure() -> Metrics:
    """The metrics block.*. Raises BenchError or PeerError."""
    ups = [upload(number) for number in range(COUNT)]
    downs = [download(number) for number in range(COUNT)]
    ways = {
        "up": (PUT, ups, CHANGED, CONTINUE),
        "down": (GET, downs, CONTENT, CONTENT),
    }
    seconds: dict[str, list[float]] = {"up": [], "down": [], "echo": []}
    with (
        Peer() as peer,
        Peer() as echoing,
        running("block", peer.uri, heap=HEAP) as process,
        running("echo", "127.0.0.1", str(echoing.port), heap=HEAP) as echoer,
    ):
        peer.expect(process, POST)
        echoing.receive(echoer)
        execute(peer, process, 0)  # before anything that is for blocks has been loaded
        execute(peer, process, 1)
        for method, blocks, last, code in ways.values():
            transfer(peer, method, blocks, last, code)
        # Heap, with a look at every 16th block
        execute(peer, process, 0)
        for method, blocks, last, code in ways.values():
            transfer(peer, method, blocks, last, code)
        execute(peer, process, 0)
        execute(peer, process, 1)
        # Speed
        for _ in range(ROUNDS):
            for name, (method, blocks, last, code) in ways.items():
                seconds[name].append(transfer(peer, method, blocks, last, code))
            seconds["echo"].append(echo(echoing, len(ups[-2]) + 8))
        process.kill()
        lines = [line.split() for line in process.communicate()[0].splitlines()]
    if len(lines) != 3 or int(lines[2][2]) != COUNT * SIZE:
        raise BenchError(f"block: the device printed {lines}")
    (cold, _, _), (before, _, _), (_, most, _) = [[int(n) for n in line] for line in lines]
    metrics: Metrics = {}
    rates = {name: COUNT / statistics.median(found) for name, found in seconds.items()}
    for name in ways:
        metrics[f"block.{name}.kb_per_s"] = rates[name] * SIZE / 1024
        metrics[f"block.{name}.blocks_per_s"] = rates[name]
        metrics[f"block.{name}.echo_ratio"] = rates[name] / rates["echo"]
    metrics["block.echo.per_s"] = rates["echo"]
    # While a transfer runs, compared with before it; what is loaded with the first block stays.
    metrics["block.heap_bytes"] = most - before
    metrics["block.code_heap_bytes"] = before - cold
    return metrics


def main() -> int:
    prepare()
    print(json.dumps(measure(), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
