"""Ports for programs that must be told one."""

from __future__ import annotations

import itertools
import os
import random
import socket

# Below those that the kernel gives to sockets that ask for any, and apart for each process of
# `make test`: until the program has opened it, nobody else takes the port.
_FIRST, _EACH, _PROCESSES = 10_000, 500, 20

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_next = itertools.count(random.randrange(_EACH))


def free_port() -> int:
    """A port that nobody has, neither of UDP nor of TCP."""
    while True:
        port = _FIRST + _worker % _PROCESSES * _EACH + next(_next) % _EACH
        if all(_is_free(kind, port) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)):
            return port


def _is_free(kind: socket.SocketKind, port: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
