"""Real clients: firmware/main.py in the unix port, many of them, registered with one server and
observed. Prints what the server takes.

    host_clients.py [CLIENTS [SECONDS]]
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from host_bench import HostServer
from lwm2m_host.checkout import find_micropython, find_root

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


def main(clients: int, seconds: float) -> None:
    with TemporaryDirectory() as name:
        server = HostServer("history", name)
        processes: list[subprocess.Popen[bytes]] = []
        began = time.monotonic()
        try:
            while len(processes) < clients:
                processes.append(start(len(processes), Path(name), server.port))
                while len(processes) - server.do("status")["registered"] > AT_ONCE:
                    time.sleep(0.05)
            while server.do("status")["registered"] < clients:
                time.sleep(0.1)
            print(f"{clients} registered after {time.monotonic() - began:.0f} s")
            server.do("observe_all")
            before, start_s = server.do("status"), time.monotonic()
            time.sleep(seconds)
            after, took_s = server.do("status"), time.monotonic() - start_s
            cpu = (after["cpu_s"] - before["cpu_s"]) / took_s
            count = after["notifications"] - before["notifications"]
            print(
                f"{after['registered']} registered, {after['observations']} observed: "
                f"{count / took_s:.0f} notifications/s, server {cpu:.1%} of a core, "
                f"{after['rss'] / 1e6:.0f} MB; {after['dropped']} datagrams dropped"
            )
            print(f"{sum(item.poll() is None for item in processes)} clients are alive")
        finally:
            for process in processes:
                process.kill()
            for process in processes:
                process.wait()
            server.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, float((sys.argv[2:] or [60])[0]))
