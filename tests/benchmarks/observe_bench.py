"""What it costs to be observed, and to send.

    notify.heap_bytes          for each notification (one number, not confirmable) over UDP
    notify.core.heap_bytes     the same without a network
    notify.per_s               of them; notify.write_ratio: compared with writing to the socket
    observe.N.step_us          a change and the step that tells it, with N observations
    observe.100.ratio          100 of them against one, the worse of two arrangements
    observation.heap_bytes     one more; observation.module_bytes: what the first one loads
    sample.heap_bytes          one value kept for a server that is away
    send.heap_bytes            what one Send of a number allocates until it is answered
    send.kept_bytes            what stays of it

`measure()` returns the metrics; run as a program it prints them.
"""

from __future__ import annotations

import json
import statistics
import subprocess

from device_runs import BenchError, finish, prepare, running
from peer import CONTENT, GET, POST, TOKEN, Peer

Metrics = dict[str, float]

COUNT = 1000  # as in device/notify.py: so many, then twice as many
ROUNDS = 7
HEAP = "256k"  # that of an RP2040
OBSERVE = b"\x60"
OBSERVED = b"\x543303\x010\x045700"  # the path, behind the option Observe
NON_CONTENT = b"\x54\x45"


def observe(peer: Peer, process: subprocess.Popen[str]) -> None:
    """Have /3303/0/5700 observed. Raises BenchError."""
    name = b"\x70\x00"
    peer.sock.send(bytes([0x44, GET]) + name + TOKEN + OBSERVE + OBSERVED)
    while True:
        answer = peer.receive(process)
        if answer[0] >> 4 == 6 and answer[2:4] == name:
            break
        if answer[1] and not answer[1] >> 5:
            peer.answer(answer)
    if answer[1] != CONTENT or answer[8] >> 4 != 6:
        raise BenchError(f"notify: the device does not take an Observe: {answer.hex()}")


def told(peer: Peer, process: subprocess.Popen[str]) -> int:
    """Have the device tell its values: how many notifications there were, by their numbers."""
    data = peer.datagram(POST, "/26241/0/0")
    peer.sock.send(data)
    peer.sock.settimeout(0.5)
    numbers = []
    while True:
        try:
            answer = peer.sock.recv(2048)
        except TimeoutError:
            break
        if answer[:2] == NON_CONTENT and answer[4:8] == TOKEN:
            length = answer[8] & 15
            numbers.append(int.from_bytes(answer[9 : 9 + length], "big"))
    if numbers != sorted(numbers):
        raise BenchError("notify: notifications are out of order")
    return numbers[-1] - numbers[0] + 1 if numbers else 0


def measure_notify() -> Metrics:
    """notify.*, over a real socket."""
    lines = []
    with Peer() as peer, running("notify", peer.uri, heap=HEAP) as process:
        peer.expect(process, POST)
        observe(peer, process)
        for _ in range(ROUNDS + 1):
            count = told(peer, process)
            if count != 3 * COUNT:
                raise BenchError(f"notify: {count} notifications instead of {3 * COUNT}")
        process.kill()
        lines = [line.split() for line in process.communicate()[0].splitlines()]
    if len(lines) != ROUNDS + 1:
        raise BenchError(f"notify: the device printed {lines}")
    # The first round loads what is loaded once.
    rounds = [[int(number) for number in line] for line in lines[1:]]
    return {
        # The difference leaves out the measuring.
        "notify.heap_bytes": max(more - fewer for fewer, more, _, _ in rounds) / COUNT,
        "notify.per_s": 2 * COUNT * 1e6 / statistics.median(us for _, _, us, _ in rounds),
        "notify.write_ratio": statistics.median(plain / us for _, _, us, plain in rounds),
    }


def measure() -> Metrics:
    """Every metric of this file. Raises BenchError or PeerError."""
    metrics = measure_notify()
    with running("observe") as process:
        for line in finish(process).splitlines():
            metrics.update(json.loads(line))
    return metrics


def main() -> int:
    prepare()
    print(json.dumps(measure(), indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
