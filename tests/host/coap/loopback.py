"""The engine without sockets and without waiting: a transport in memory, and time as told."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from lwm2m_host.coap.codec import Message, decode
from lwm2m_host.coap.engine import Engine
from lwm2m_host.coap.messages import DeviceRequest, ObservationToken, Peer, Request, Response
from lwm2m_host.coap.timing import Timing
from lwm2m_host.coap.transport import Receiver
from lwm2m_host.errors import Lwm2mError

DEVICE = "192.0.2.1:5683"
OTHER = "192.0.2.2:5683"


class Loopback:
    """A Transport that keeps what is sent. Keys are addresses as text."""

    secure = False
    dropped = 0

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Hashable, bytes]] = []
        self.receiver: Receiver | None = None

    def open(self, receiver: Receiver) -> None:
        self.receiver = receiver

    def send(self, data: bytes, key: Hashable, local: bytes) -> None:
        self.sent.append((data, key, local))

    def drain(self) -> None:
        pass

    def address(self, key: Hashable) -> str:
        return str(key)

    def key(self, address: str) -> Hashable:
        return address

    def waiting(self) -> bool:
        return False

    def identity(self, key: Hashable) -> str:
        return ""

    def close(self) -> None:
        self.receiver = None


class Bench:
    """An engine on a Loopback. The first timeout is always ACK_TIMEOUT times `jitter`.

    `requests` are those of devices; `answer` makes the responses to them, None leaves them open
    in `open_answers`.
    """

    def __init__(self, timing: Timing | None = None, jitter: float = 1.0) -> None:
        self.time_s = 1000.0
        self.transport = Loopback()
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Response | None] = lambda request: Response("2.04")
        self.open_answers: list[Callable[[Response], None]] = []
        self.ranges: list[tuple[float, float]] = []  # that jitter was asked for
        self._jitter = jitter
        self.engine = Engine(
            self.transport, self._serve, lambda: self.time_s, timing or Timing(), self._pick
        )
        self.transport.open(self.engine.layer)

    def _pick(self, low: float, high: float) -> float:
        self.ranges.append((low, high))
        return low * self._jitter

    def _serve(self, request: Request, respond: Callable[[Response], None]) -> bool:
        self.requests.append(request)
        answer = self.answer(request)
        if answer is None:
            self.open_answers.append(respond)
            return False
        respond(answer)
        return True

    def advance(self, seconds: float) -> None:
        """Let time pass, and deadlines with it."""
        end_s = self.time_s + seconds
        while True:
            due_s = self.engine.layer.timers.next_due_s()
            if due_s is None or due_s > end_s:
                break
            self.time_s = max(self.time_s, due_s)
            self.engine.layer.timers.run(self.time_s)
        self.time_s = end_s

    def receive(self, message: Message | bytes, sender: str = DEVICE, local: bytes = b"") -> None:
        """Let a message arrive."""
        data = message if isinstance(message, bytes) else message.encode()
        self.engine.layer.receive(data, sender, local)

    def take(self, receiver: str | None = None) -> list[Message]:
        """What was sent since the last time, to one peer or to all; the rest is dropped."""
        sent, self.transport.sent = self.transport.sent, []
        return [decode(data) for data, key, _ in sent if receiver in (None, key)]

    def take_one(self) -> Message:
        """The only message that was sent."""
        (message,) = self.take()
        return message

    def peer(self, address: str = DEVICE) -> Peer:
        return self.engine.peer_at(address)

    def request(
        self, request: DeviceRequest, address: str = DEVICE, timeout_s: float = 93.0
    ) -> Outcome:
        """Begin a request to a device."""
        outcome = Outcome()
        outcome.transfer = self.engine.request(
            self.peer(address), request, timeout_s, "dev", outcome.set
        )
        return outcome


class Outcome:
    """The end of a request, once it has come."""

    def __init__(self) -> None:
        self.message: Message | None = None
        self.error: Lwm2mError | None = None
        self.ends = 0

    def set(self, message: Message | None, error: Lwm2mError | None) -> None:
        self.ends += 1
        self.message = message
        self.error = error

    @property
    def payload(self) -> bytes:
        assert self.message is not None, self.error
        return self.message.payload


class Watcher:
    """A token, and what came with it."""

    def __init__(self, value: bytes | None = None) -> None:
        self.sequences: list[int | None] = []
        self.values: list[bytes] = []
        self.codes: list[str] = []
        self.token = ObservationToken(self.sequences.append, self._on_message, value)

    def _on_message(self, message: object) -> None:
        self.values.append(message.response.payload)  # type: ignore[attr-defined]
        self.codes.append(message.response.code)  # type: ignore[attr-defined]
