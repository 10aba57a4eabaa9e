"""`make clients`: real clients, firmware/main.py in the unix port, many of them, registered with
one server and observed. Prints what the server takes, and writes it to build/clients.json.

    host_clients.py [--clients N] [--seconds S]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from device_runs import BenchError
from host_bench import Metrics, running
from lwm2m_host.checkout import find_micropython, find_root

RESULT = find_root() / "build" / "clients.json"

HEAP = "256k"
INTERVAL_S = 10  # in which a client measures
AT_ONCE = 8  # clients that are started before the server is asked how many it has


def start(number: int, folder: Path, port: int) -> subprocess.Popen[bytes]:
    own = folder / str(number)
    own.mkdir()
    config = {
        "endpoint": f"urn:dev:os:{number}",
        "server": f"coap://127.0.0.1:{port}",
        "lifetime_s": 300,
        "interval_s": INTERVAL_S,
    }
    (own / "config.json").write_text(json.dumps(config))
    shutil.copy(find_root() / "firmware" / "main.py", own)
    return subprocess.Popen(
        [find_micropython(), "-X", f"heapsize={HEAP}", "main.py"],
        cwd=own,
        env={**os.environ, "MICROPYPATH": f"{find_root() / 'build' / 'mpy'}:.frozen"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def measure(clients: int, seconds: float, patience_s: float) -> Metrics:
    """host.clients.*: start the clients, observe all of them, and look on for a while.

    Raises BenchError when they are not registered within `patience_s`.
    """
    metrics: Metrics = {}
    with TemporaryDirectory() as name, running("history", name) as server:
        processes: list[subprocess.Popen[bytes]] = []
        began = time.monotonic()

        def registered(wanted: int) -> None:
            while server.do("status")["registered"] < wanted:
                if time.monotonic() - began > patience_s:
                    raise BenchError(f"{wanted} clients are not registered after {patience_s} s")
                time.sleep(0.05)

        try:
            while len(processes) < clients:
                processes.append(start(len(processes), Path(name), server.port))
                registered(len(processes) - AT_ONCE)
            registered(clients)
            metrics["host.clients.registered_s"] = time.monotonic() - began
            server.do("observe_all")
            before, start_s = server.do("status"), time.monotonic()
            time.sleep(seconds)
            after, took_s = server.do("status"), time.monotonic() - start_s
            count = after["notifications"] - before["notifications"]
            metrics["host.clients.registered"] = after["registered"]
            metrics["host.clients.observed"] = after["observations"]
            metrics["host.clients.notifications_per_s"] = count / took_s
            metrics["host.clients.cpu_percent"] = (after["cpu_s"] - before["cpu_s"]) / took_s * 100
            metrics["host.clients.rss_mb"] = after["rss"] / 1e6
            metrics["host.clients.dropped"] = after["dropped"]
            metrics["host.clients.alive"] = sum(item.poll() is None for item in processes)
        finally:
            for process in processes:
                process.kill()
            for process in processes:
                process.wait()
    return metrics


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60, help="of looking on")
    parser.add_argument("--patience", type=float, default=600, help="seconds until all are there")
    arguments = parser.parse_args()
    try:
        metrics = measure(arguments.clients, arguments.seconds, arguments.patience)
    except BenchError as problem:
        print(f"clients: {problem}", file=sys.stderr)
        return 1
    for name, value in metrics.items():
        print(f"{name:36} {value:10.1f}")
    RESULT.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    missing = [
        name
        for name in ("registered", "observed", "alive")
        if metrics[f"host.clients.{name}"] < arguments.clients
    ]
    if missing:
        print(f"clients: not all of them are {', '.join(missing)}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
