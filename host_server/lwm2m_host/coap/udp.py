"""UDP as a transport of CoAP: one socket for IPv4 and IPv6 that nobody else shares.

Answers leave from the address that was asked, ICMP errors are heard of, and the datagrams that the
system dropped are counted. The socket is opened without SO_REUSEPORT: a second server on the same
port fails at once, and port 0 never yields a port that is taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import select
import socket
import struct
from collections.abc import Hashable
from typing import Any

from ..errors import ServerError
from .transport import Receiver

# Datagrams for each time that the socket is readable; then others have their turn.
BATCH = 64
# Datagrams that are taken before deadlines are looked at, after the process has stood still.
_DRAIN = 16384
# The largest datagram of UDP has 65,507 bytes; a larger buffer receives each one whole.
_DATAGRAM_BYTES = 65536
_BUFFER_BYTES = 32 * 1024 * 1024

# Linux's numbers, where Python's socket module has no names for them
_SO_RCVBUFFORCE = 33
_SO_RXQ_OVFL = 40
_IP_PKTINFO = 8
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_MSG_ERRQUEUE = 0x2000
_ORIGIN_ICMP = 2
_ORIGIN_ICMP6 = 3

_EXTENDED_ERROR = struct.Struct("=IBBBBII")
_COUNT = struct.Struct("=I")
_PKTINFO_IPV4 = struct.Struct("=I4s4s")  # interface, our address, destination of the datagram
_PKTINFO_IPV6 = struct.Struct("=16sI")
_ANCILLARY_BYTES = 128


class UdpTransport:
    """A bound socket as a Transport. Keys are the socket's addresses."""

    secure = False

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self.dropped = 0
        self._sock = sock
        self._loop = loop
        self._receiver: Receiver | None = None
        self._ipv6 = sock.family == socket.AF_INET6
        self._level = socket.IPPROTO_IPV6 if self._ipv6 else socket.IPPROTO_IP
        self._option = socket.IPV6_PKTINFO if self._ipv6 else _IP_PKTINFO
        # The last address that an answer left from, as ancillary data: mostly it is the same.
        self._local = b""
        self._ancillary: list[tuple[int, int, bytes]] = []

    @property
    def port(self) -> int:
        """The port that the socket is bound to."""
        number: int = self._sock.getsockname()[1]
        return number

    def open(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._loop.add_reader(self._sock, self._receive, BATCH)

    def close(self) -> None:
        if self._receiver is not None:
            self._receiver = None
            self._loop.remove_reader(self._sock)
        self._sock.close()

    def send(self, data: bytes, key: Any, local: bytes) -> None:
        if local != self._local:
            self._local = local
            self._ancillary = [(self._level, self._option, local)] if local else []
        try:
            self._sock.sendmsg((data,), self._ancillary, 0, key)
        except BlockingIOError:
            pass  # lost, as in any network
        except OSError as problem:
            self._on_send_error(data, key, problem)

    def _on_send_error(self, data: bytes, key: Any, problem: OSError) -> None:
        if self._ancillary and problem.errno in (errno.EINVAL, errno.EADDRNOTAVAIL):
            # The address that was asked is none to answer from: a broadcast, or it is gone.
            with contextlib.suppress(OSError):
                self._sock.sendto(data, key)
            return
        # What an earlier datagram has met is reported by the next call, whoever that is for.
        if self._read_errors() == 0 and self._receiver is not None:
            reason = os.strerror(problem.errno or 0)
            receiver = self._receiver
            self._loop.call_soon(lambda: receiver.fail(key, reason))
        elif self._sock.fileno() >= 0:
            with contextlib.suppress(OSError):
                self._sock.sendmsg((data,), self._ancillary, 0, key)

    def drain(self) -> None:
        self._receive(_DRAIN)

    def waiting(self) -> bool:
        if self._receiver is None:
            return False
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return any(event & select.POLLIN for _, event in poll.poll(0))

    def _receive(self, limit: int) -> None:
        receiver = self._receiver
        receive = self._sock.recvmsg
        for _ in range(limit):
            if self._receiver is None:  # closed by one of those before
                return
            assert receiver is not None
            try:
                data, ancillary, flags, key = receive(_DATAGRAM_BYTES, _ANCILLARY_BYTES)
            except BlockingIOError:
                return
            except OSError:
                self._read_errors()
                continue
            local = b""
            for level, kind, value in ancillary:
                if kind == self._option and level == self._level:
                    local = self._local_of(value)
                elif kind == _SO_RXQ_OVFL and level == socket.SOL_SOCKET:
                    (self.dropped,) = _COUNT.unpack(value)
            if flags & socket.MSG_TRUNC:
                receiver.refuse(key, "a datagram is larger than UDP has them")
            else:
                receiver.receive(data, key, local)

    def _local_of(self, value: bytes) -> bytes:
        """Ancillary data that sends from the address that a datagram was sent to."""
        if self._ipv6:
            # The interface stays with link-local addresses only: routes may differ there and back.
            if value[0] == 0xFF:  # multicast
                return b""
            return value if value[:2] == b"\xfe\x80" else value[:16] + b"\0\0\0\0"
        if 224 <= value[8] < 240:
            return b""
        return _PKTINFO_IPV4.pack(0, value[8:12], b"\0\0\0\0")

    def _read_errors(self) -> int:
        """Tell the receiver of the ICMP errors that wait. Returns how many there were."""
        count = 0
        while self._receiver is not None:
            try:
                _, ancillary, _, key = self._sock.recvmsg(512, 512, _MSG_ERRQUEUE)
            except OSError:
                break
            for _, kind, value in ancillary:
                if kind not in (_IP_RECVERR, _IPV6_RECVERR) or len(value) < 16:
                    continue
                number, origin = _EXTENDED_ERROR.unpack(value[:16])[:2]
                count += 1
                if origin in (_ORIGIN_ICMP, _ORIGIN_ICMP6) and number != errno.EMSGSIZE:
                    reason = os.strerror(number)
                    # Not from here: the receiver may be sending just now.
                    self._loop.call_soon(self._fail, key, reason)
        return count

    def _fail(self, key: Hashable, reason: str) -> None:
        if self._receiver is not None:
            self._receiver.fail(key, reason)

    def address(self, key: Any) -> str:
        host: str = key[0]
        if ":" not in host:
            return f"{host}:{key[1]}"
        if host.startswith("::ffff:") and "." in host:
            return f"{host[7:]}:{key[1]}"
        zone = f"%{key[3]}" if key[3] and "%" not in host else ""
        return f"[{host}{zone}]:{key[1]}"

    def key(self, address: str) -> Hashable:
        host, separator, port = address.rpartition(":")
        if not separator or not port.isdecimal() or not port.isascii():
            raise ValueError(f"no address: {address}")
        if not self._ipv6:
            return (socket.inet_ntoa(_packed(socket.AF_INET, host)), int(port))
        if not host.startswith("["):
            return ("::ffff:" + socket.inet_ntoa(_packed(socket.AF_INET, host)), int(port), 0, 0)
        host, _, zone = host[1:-1].partition("%")
        packed = _packed(socket.AF_INET6, host)
        scope = int(zone) if zone.isdecimal() else socket.if_nametoindex(zone) if zone else 0
        return (socket.inet_ntop(socket.AF_INET6, packed), int(port), 0, scope)

    def identity(self, key: Hashable) -> str:
        return ""


def _packed(family: int, host: str) -> bytes:
    """The bytes of an address. Raises ValueError."""
    try:
        return socket.inet_pton(family, host)
    except OSError:
        raise ValueError(f"no address: {host}") from None


def bind_socket(host: str, port: int, *, ipv4_only: bool = False) -> socket.socket:
    """A UDP socket of our own on an address; IPv4 addresses become IPv4-mapped ones.

    Raises ServerError when the port is taken, the address is not ours, or the name is unknown.
    """
    family = socket.AF_INET if ipv4_only else socket.AF_INET6
    flags = socket.AI_PASSIVE | (0 if ipv4_only else socket.AI_V4MAPPED)
    if ipv4_only and host == "::":
        host = "0.0.0.0"
    try:
        found = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_DGRAM, flags=flags)
    except (OSError, UnicodeError, OverflowError) as error:
        raise ServerError(f"no such address to listen on: {host} ({error})") from None
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        _set_options(sock)
        sock.setblocking(False)
        sock.bind(found[0][4])
    except (OSError, OverflowError) as error:
        sock.close()
        raise _bind_error(host, port, error) from None
    return sock


def _set_options(sock: socket.socket) -> None:
    """Ask for addresses and errors, and for buffers as large as the system lets."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):
        try:
            sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
            break
        except OSError:
            continue
    wanted = [
        (socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES // 8),
        (socket.SOL_SOCKET, _SO_RXQ_OVFL, 1),
        (socket.IPPROTO_IP, _IP_RECVERR, 1),
    ]
    if sock.family == socket.AF_INET6:
        wanted.append((socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1))
        wanted.append((socket.IPPROTO_IPV6, _IPV6_RECVERR, 1))
    else:
        wanted.append((socket.IPPROTO_IP, _IP_PKTINFO, 1))
    for level, option, value in wanted:
        # Where a system has not got one of them, the server works without.
        with contextlib.suppress(OSError):
            sock.setsockopt(level, option, value)


def _bind_error(host: str, port: int, error: Exception) -> ServerError:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return ServerError(f"UDP {place} is in use: is another server running?")
    if number == errno.EACCES:
        return ServerError(f"no permission to listen on UDP {place}")
    return ServerError(f"cannot listen on UDP {place}: {error}")


def ipv6_works() -> bool:
    """True when the kernel has IPv6 (addresses need not be configured)."""
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
    except OSError:
        return False
    return True
