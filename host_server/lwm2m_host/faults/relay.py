"""The relay: one socket for the clients, one towards the target for each of them."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from ..errors import ServerError
from ..lifecycle import Lifecycle
from .journal import Coap, Direction, Entry, Tally
from .plan import Dice, FaultError, Faults

MAX_CLIENTS = 256  # the one that was silent longest makes room
MAX_DEAF = 64  # source ports that were rebound stay bound, and deaf, as long as there is room
MAX_WAITING = 10_000  # datagrams that are delayed or held back
LARGEST = 65535
BUFFER = 1 << 20  # bytes asked for, for what comes while others have their turn

Address = tuple[str, int]


class Relay(Lifecycle):
    """A UDP relay between any clients and one target. Use it as ``async with``.

    target: (host, port) that everything is sent on to; a name is resolved at the start.
    listen: (host, port) for the clients; "::" is every address, IPv4 included; port 0 takes a
        free one, see `port` afterwards.
    faults: what happens in both directions; `uplink` (towards the target) and `downlink` name
        them apart. All three may be set at run time.
    seed: for the same seed and the same datagrams the decisions are the same; one is drawn when
        it is None, see `seed`.
    log_size: how many entries `log` keeps, the newest ones.
    on_entry: called with each entry.

    As behind a NAT, each client address has a source port of its own towards the target, and what
    the target sends there goes to that client. After `rebind` the old port is deaf.

    Entering raises ServerError when the address is in use or not ours, or the target unknown.
    """

    def __init__(
        self,
        target: Address,
        listen: Address = ("127.0.0.1", 0),
        faults: Faults | None = None,
        *,
        uplink: Faults | None = None,
        downlink: Faults | None = None,
        seed: int | None = None,
        log_size: int = 1000,
        on_entry: Callable[[Entry], None] | None = None,
    ) -> None:
        self.target = target
        self.host, self.port = listen
        self.seed = secrets.randbelow(1_000_000) if seed is None else seed
        self.log: deque[Entry] = deque(maxlen=log_size)
        self.on_entry = on_entry
        self.up = Tally()
        self.down = Tally()
        self.rebinds = 0
        both = faults or Faults()
        self._uplink = uplink or both
        self._downlink = downlink or both
        self._dice = {side: Dice(f"{self.seed} {side}") for side in ("up", "down")}
        self._clients: dict[Address, _Client] = {}  # the one that was silent longest first
        self._deaf: deque[socket.socket] = deque()
        self._timers: set[asyncio.TimerHandle] = set()
        self._sock: socket.socket | None = None
        self._place: Any = None
        self._family = socket.AF_INET
        self._dark = False
        self._brighten: asyncio.TimerHandle | None = None
        self._rebind_timer: asyncio.TimerHandle | None = None
        self._start_s = self._changed_s = 0.0

    async def start(self) -> None:
        """Resolve the target, open the socket and relay. Raises ServerError."""
        if self._sock is not None:
            raise ServerError("the relay is running already")
        self._loop = asyncio.get_running_loop()
        await self._resolve()
        self._sock = sock = _listen(self.host, self.port)
        self.port = sock.getsockname()[1]
        self._start_s = self._loop.time()
        self._loop.add_reader(sock, self._from_clients, sock)
        self._faults_changed()

    async def _resolve(self) -> None:
        host, port = self.target
        try:
            found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError, OverflowError) as error:
            raise ServerError(f"no such target: {host} ({error})") from None
        if not 0 < port < 65536:
            raise ServerError(f"no such target: port {port}")
        # A name that is both is tried as IPv4 first: a server may listen to that alone.
        family, _, _, _, self._place = min(found, key=lambda item: item[0] != socket.AF_INET)
        self._family = socket.AddressFamily(family)

    async def close(self) -> None:
        """Close all sockets; what is delayed is lost."""
        sock, self._sock = self._sock, None
        if sock is None:
            return
        for timer in (*self._timers, self._brighten, self._rebind_timer):
            if timer is not None:
                timer.cancel()
        self._timers.clear()
        self._brighten = self._rebind_timer = None
        self._dark = False
        sockets = [sock, *self._deaf, *(client.sock for client in self._clients.values())]
        self._clients.clear()
        self._deaf.clear()
        for item in sockets:
            self._loop.remove_reader(item)
            item.close()

    @property
    def uri(self) -> str:
        """``coap://host:port``, as a client on this machine may use it."""
        host = {"::": "127.0.0.1", "": "127.0.0.1", "0.0.0.0": "127.0.0.1"}.get(
            self.host, self.host
        )
        return "coap://" + _text((host, self.port))

    @property
    def clients(self) -> list[str]:
        """``host:port`` of the clients, the one that was silent longest first."""
        return [client.name for client in self._clients.values()]

    # Faults

    @property
    def faults(self) -> Faults:
        """The faults of both directions. Raises FaultError when they differ."""
        if self._uplink != self._downlink:
            raise FaultError("uplink and downlink differ: ask for one of them")
        return self._uplink

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._uplink = self._downlink = faults
        self._faults_changed()

    @property
    def uplink(self) -> Faults:
        return self._uplink

    @uplink.setter
    def uplink(self, faults: Faults) -> None:
        self._uplink = faults
        self._faults_changed()

    @property
    def downlink(self) -> Faults:
        return self._downlink

    @downlink.setter
    def downlink(self, faults: Faults) -> None:
        self._downlink = faults
        self._faults_changed()

    def change(self, **values: Any) -> None:
        """Change some fields of both directions' faults, as in ``loss=0.5``. Raises FaultError."""
        uplink = dataclasses.replace(self._uplink, **values)
        downlink = dataclasses.replace(self._downlink, **values)
        self._uplink, self._downlink = uplink, downlink
        self._faults_changed()

    def _faults_changed(self) -> None:
        if self._sock is None:
            return
        self._changed_s = self._loop.time()
        if self._rebind_timer is not None:
            self._rebind_timer.cancel()
            self._rebind_timer = None
        if self._uplink.rebind_every_s is not None:
            self._rebind_timer = self._loop.call_later(
                self._uplink.rebind_every_s, self._rebind_again
            )

    def _rebind_again(self) -> None:
        self.rebind()
        if self._uplink.rebind_every_s is not None:
            self._rebind_timer = self._loop.call_later(
                self._uplink.rebind_every_s, self._rebind_again
            )

    def rebind(self, client: str | None = None) -> None:
        """Give all clients, or the one named ``host:port``, a new source port towards the target.

        Raises KeyError for an unknown client.
        """
        chosen = [item for item in self._clients.values() if client in (None, item.name)]
        if client is not None and not chosen:
            raise KeyError(client)
        for item in chosen:
            before = item.sock
            item.sock = self._open(item)  # before the old one closes: never the same port again
            self._retire(before)
            self.rebinds += 1
            self._note(None, item.name, b"", f"rebound to port {item.sock.getsockname()[1]}")

    def blackout(self, duration_s: float | None = None) -> None:
        """Let nothing pass from now on, for a time or until `resume`."""
        self.resume()
        self._dark = True
        self._note(None, "all", b"", "blackout")
        if duration_s is not None:
            self._brighten = self._loop.call_later(duration_s, self.resume)

    def resume(self) -> None:
        """End the `blackout`."""
        if self._brighten is not None:
            self._brighten.cancel()
            self._brighten = None
        if self._dark:
            self._dark = False
            self._note(None, "all", b"", "blackout over")

    def _is_dark(self, faults: Faults) -> bool:
        return self._dark or faults.dark(self._loop.time() - self._changed_s)

    # What passes

    def _from_clients(self, sock: socket.socket) -> None:
        for _ in range(64):  # then the others get their turn
            try:
                data, address = sock.recvfrom(LARGEST)
            except BlockingIOError:
                return
            except OSError:
                continue  # a client of before is gone (ICMP)
            client = self._client(address)
            if client is not None:
                self._arrived("up", client, data)

    def _from_target(self, client: _Client, sock: socket.socket) -> None:
        for _ in range(64):
            try:
                data = sock.recv(LARGEST)
            except BlockingIOError:
                return
            except OSError:
                self.up.dropped += 1
                self._note(None, client.name, b"", "nobody listens at the target")
                return
            if sock is client.sock and client.address in self._clients:
                self._arrived("down", client, data)
            else:
                self.down.received += 1
                self.down.dropped += 1
                self._note("down", client.name, data, "dropped: sent to a port of before")

    def _client(self, address: Any) -> _Client | None:
        client = self._clients.pop(address, None)
        if client is None:
            client = _Client(address)
            try:
                client.sock = self._open(client)
            except OSError as error:  # no more sockets
                self.up.received += 1
                self.up.dropped += 1
                self._note("up", client.name, b"", f"dropped: {error}")
                return None
            if len(self._clients) >= MAX_CLIENTS:
                self._retire(self._clients.pop(next(iter(self._clients))).sock)
        self._clients[address] = client
        return client

    def _open(self, client: _Client) -> socket.socket:
        sock = socket.socket(self._family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            sock.connect(self._place)
        except OSError:
            sock.close()
            raise
        self._loop.add_reader(sock, self._from_target, client, sock)
        return sock

    def _retire(self, sock: socket.socket) -> None:
        self._deaf.append(sock)
        if len(self._deaf) > MAX_DEAF:
            oldest = self._deaf.popleft()
            self._loop.remove_reader(oldest)
            oldest.close()

    def _arrived(self, side: Direction, client: _Client, data: bytes) -> None:
        faults, tally = self._side(side)
        decision = self._dice[side].throw(len(data), faults)
        tally.received += 1
        if self._is_dark(faults):
            tally.blackout += 1
            self._note(side, client.name, data, "lost in the blackout")
            return
        if decision.lost:
            tally.lost += 1
            self._note(side, client.name, data, "lost")
            return
        if len(self._timers) >= MAX_WAITING:
            tally.dropped += 1
            self._note(side, client.name, data, "dropped: too many are waiting")
            return
        words = []
        sent = data
        if decision.damage is not None:
            tally.corrupted += 1
            words.append(str(decision.damage))
            sent = decision.damage.apply(data)
        if len(decision.delays_ms) > 1:
            tally.duplicated += 1
            words.append("duplicated")
        if any(decision.delays_ms):
            tally.delayed += 1
            words.append("delayed " + " and ".join(f"{ms:.0f} ms" for ms in decision.delays_ms))
        if decision.held:
            tally.reordered += 1
            words.append("held back")
        self._note(side, client.name, data, ", ".join(words) or "passed")
        held = decision.held
        for delay_ms in decision.delays_ms:
            # Of two copies only the first is held back.
            self._after(delay_ms, self._depart, side, client, sent, held)
            held = False

    def _depart(self, side: Direction, client: _Client, data: bytes, held: bool) -> None:
        if held:
            faults, _ = self._side(side)
            waiting = _Held(data)
            client.held[side].append(waiting)
            waiting.timer = self._after(faults.reorder_ms, self._let_go, side, client, waiting)
            return
        self._send(side, client, data)
        for waiting in [*client.held[side]]:
            if waiting.data is not data:  # a copy does not overtake itself
                self._let_go(side, client, waiting)

    def _let_go(self, side: Direction, client: _Client, waiting: _Held) -> None:
        client.held[side].remove(waiting)
        if waiting.timer is not None:
            waiting.timer.cancel()
            self._timers.discard(waiting.timer)
        self._send(side, client, waiting.data)

    def _send(self, side: Direction, client: _Client, data: bytes) -> None:
        faults, tally = self._side(side)
        if self._is_dark(faults):
            tally.blackout += 1
            self._note(side, client.name, data, "lost in the blackout")
            return
        if self._sock is None or client.address not in self._clients:
            return
        try:
            if side == "up":
                client.sock.send(data)
            else:
                self._sock.sendto(data, client.address)
        except OSError as error:
            tally.dropped += 1
            self._note(side, client.name, data, f"dropped: {error}")
        else:
            tally.passed += 1

    def _side(self, side: Direction) -> tuple[Faults, Tally]:
        return (self._uplink, self.up) if side == "up" else (self._downlink, self.down)

    def _after(
        self, delay_ms: float, action: Callable[..., None], *arguments: Any
    ) -> asyncio.TimerHandle | None:
        """Call now, or later as a timer that `close` ends."""
        if not delay_ms:
            action(*arguments)
            return None

        def run() -> None:
            self._timers.discard(timer)
            action(*arguments)

        timer = self._loop.call_later(delay_ms / 1000, run)
        self._timers.add(timer)
        return timer

    def _note(self, side: Direction | None, client: str, data: bytes, decision: str) -> None:
        elapsed_s = self._loop.time() - self._start_s
        entry = Entry(elapsed_s, side, client, len(data), Coap.parse(data), decision)
        self.log.append(entry)
        if self.on_entry is not None:
            self.on_entry(entry)


class _Held:
    """A datagram that waits for the next one to pass."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.timer: asyncio.TimerHandle | None = None


class _Client:
    """One client's address, and its socket towards the target."""

    sock: socket.socket

    def __init__(self, address: Any) -> None:
        self.address = address
        self.name = _text(address)
        self.held: dict[Direction, list[_Held]] = {"up": [], "down": []}


def _text(address: Any) -> str:
    host, port = address[:2]
    host = host.removeprefix("::ffff:")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _listen(host: str, port: int) -> socket.socket:
    """A UDP socket for the clients. Raises ServerError."""
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError, OverflowError) as error:
        raise ServerError(f"no such address to listen on: {host} ({error})") from None
    family, _, _, _, place = min(found, key=lambda item: item[0] != socket.AF_INET)
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as error:
        if host == "::":  # a kernel without IPv6
            return _listen("0.0.0.0", port)
        raise ServerError(f"cannot listen on UDP {_text((host, port))}: {error}") from None
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        sock.bind(place)
    except (OSError, OverflowError) as error:
        sock.close()
        raise ServerError(f"cannot listen on UDP {_text((host, port))}: {error}") from None
    return sock
