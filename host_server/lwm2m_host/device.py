"""One device as seen from the server: a handle with every operation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from .coap.messages import DeviceRequest, Response
from .errors import BadRequest, FormatError, NotObserved, PathError, ResponseError, response_error
from .management import versions
from .management.payload import (
    LARGE_BYTES,
    LINK_FORMAT,
    Content,
    FormatLike,
    Payloads,
    decode,
    decode_links,
    need,
)
from .management.sender import Sender
from .model.link import Link
from .model.path import Path
from .registration.definitions import Definitions
from .registration.registration import Registration, below
from .reporting.events import SendStream
from .reporting.observation import (
    QUEUE_LIMIT,
    Observation,
    ObserveRequest,
    PendingObservation,
)
from .reporting.observations import Observations


@contextmanager
def _refusal_names(paths: Sequence[Path]) -> Iterator[None]:
    """Name what was asked for in a refusal: a composite request itself goes to the root."""
    try:
        yield
    except ResponseError as problem:
        raise response_error(problem.code, " ".join(map(str, paths)), problem.detail) from None


class Device:
    """A handle on one endpoint; get it from the server. It stays good over re-registrations.

    Requests to one device go out one after the other (NSTART 1, RFC 7252 §4.7).

    Every operation takes `timeout_s`: the seconds that its answer, and each block of a large one,
    may take from the call on; by default what the server's Timing says. It raises
    NotRegistered, DeviceTimeout (DeviceUnreachable), DeviceReset, TransferError, or the
    ResponseError of the code that the device answered; FormatError for an answer that cannot be
    decoded.

    Before anything is sent, what the definitions say is checked: PathError, ValueTypeError,
    OutOfRange, OperationRefused, MissingResources name the resource that is at fault; and
    NotInVersion what the version that the device registered with does not have. With `force`,
    whatever can be sent is sent: to see what the device makes of it.

    `format` is a content format by name or number. By default it is one that the device declared
    with ``ct=`` when it registered, else TLV; for composite operations SenML CBOR.
    """

    def __init__(
        self,
        endpoint: str,
        sender: Sender,
        observations: Observations,
        sends: Callable[[str, int], SendStream],
    ) -> None:
        self.endpoint = endpoint
        self._sender = sender
        self._observations = observations
        self._sends = sends

    def __repr__(self) -> str:
        return f"<Device {self.endpoint}>"

    async def registration(self) -> Registration:
        """The present registration. Raises NotRegistered."""
        return await self._sender.registration(self.endpoint)

    async def definitions(self) -> Definitions:
        """The definitions of what the device has. Raises NotRegistered."""
        return await self._sender.definitions(self.endpoint)

    # Device management (LwM2M 1.1 core §6.3)

    async def read(
        self,
        path: str | Path,
        *,
        format: FormatLike | None = None,
        raw: bool = False,
        timeout_s: float | None = None,
        force: bool = False,
    ) -> Any:
        """Read an object, an instance, a resource or a resource instance (GET, §6.3.1).

        A resource is a typed value, or ``{riid: value}`` when it is multiple; an instance is
        ``{rid: ...}``, an object ``{iid: {rid: ...}}``. `raw` returns Content.
        """
        path = need(path, "read", 1, 4)
        payloads = await self._payloads(force)
        payloads.check_read(path)
        accept = payloads.accept(format, raw)
        answer = await self.request("GET", path, accept=accept, timeout_s=timeout_s)
        content = Content(answer.content_format, answer.payload)
        if raw:
            return content
        return await self._decoded(content, accept, (path,), False)

    async def read_composite(
        self,
        paths: Iterable[str | Path],
        *,
        format: FormatLike | None = None,
        timeout_s: float | None = None,
        force: bool = False,
    ) -> dict[str, Any]:
        """Read several paths in one request (FETCH, §6.3.8).

        Returns ``{"/3/0/0": value}`` with the values as `read` has them. The device answers as
        well as it can: a path that it does not have, or not for us, is missing.
        """
        wanted, payload, accept = (await self._payloads(force)).paths(paths, "read", format)
        with _refusal_names(wanted):
            answer = await self.request(
                "FETCH", Path(), *payload, accept=accept.number, timeout_s=timeout_s
            )
        content = Content(answer.content_format, answer.payload)
        value: dict[str, Any] = await self._decoded(content, accept.number, wanted, True)
        return value

    async def _decoded(
        self, content: Content, assumed: int, paths: Sequence[Path], composite: bool
    ) -> Any:
        """The value of an answer. A large one is decoded beside the loop. Raises FormatError."""
        definitions = await self.definitions()
        if len(content.payload) <= LARGE_BYTES:
            return decode(content, assumed, paths, composite, definitions)[1]
        return (await asyncio.to_thread(decode, content, assumed, paths, composite, definitions))[
            1
        ]

    async def write(
        self,
        path: str | Path,
        value: Any,
        *,
        format: FormatLike | None = None,
        update: bool = False,
        timeout_s: float | None = None,
        force: bool = False,
    ) -> None:
        """Write an instance, a resource or a resource instance (§6.3.3).

        Replaces what is there (PUT); with `update`, an instance keeps the resources that the
        value does not name, and a multiple resource its instances (POST). The value is nested as
        `read` returns it.
        """
        path = need(path, "write", 2, 4)
        if update and path.depth != 2 and not (path.depth == 3 and isinstance(value, Mapping)):
            raise PathError(f"a partial update needs an instance, got {path}")
        payload = (await self._payloads(force)).write(path, value, format)
        await self.request("POST" if update else "PUT", path, *payload, timeout_s=timeout_s)

    async def write_composite(
        self,
        values: Mapping[str | Path, Any] | Mapping[str, Any] | Mapping[Path, Any],
        *,
        format: FormatLike | None = None,
        timeout_s: float | None = None,
        force: bool = False,
    ) -> None:
        """Write several paths in one request, all or none (iPATCH, §6.3.9).

        ``{"/1/0/1": 300, "/3/0": {14: "+01:00"}}``; values are nested as `read` returns them. None
        deletes a resource or a resource instance, which needs LwM2M 1.2 on the device.
        """
        payload = (await self._payloads(force)).write_composite(values.items(), format)
        with _refusal_names([Path.parse(path) for path in values]):
            await self.request("iPATCH", Path(), *payload, timeout_s=timeout_s)

    async def execute(
        self,
        path: str | Path,
        args: str = "",
        *,
        timeout_s: float | None = None,
        force: bool = False,
    ) -> None:
        """Execute a resource (POST, §6.3.5), with arguments as in ``0='text',3``."""
        path = need(path, "execute", 3, 3)
        payload = (await self._payloads(force)).execute(path, args)
        await self.request("POST", path, *payload, timeout_s=timeout_s)

    async def discover(
        self,
        path: str | Path,
        *,
        depth: int | None = None,
        timeout_s: float | None = None,
        force: bool = False,
    ) -> list[Link]:
        """Discover what is there and its attributes (GET, §6.3.2).

        `depth` is how many levels below the path are told, 0 to 3; it needs LwM2M 1.2 on the
        device, which otherwise decides by itself.

        Targets are relative to the device's LwM2M root; `Link.path` is the LwM2M path,
        `Link.attributes` what is attached to it ("pmin"), `Link.version` and `Link.dimension`
        what the device tells of objects and multiple resources.
        """
        path = need(path, "discover", 0, 3)
        query = (await self._payloads(force)).discover(depth)
        answer = await self.request(
            "GET", path, accept=LINK_FORMAT, query=query, timeout_s=timeout_s
        )
        content = Content(answer.content_format, answer.payload)
        return decode_links(content, (await self.registration()).links.root)

    async def create(
        self,
        path: str | Path,
        values: Mapping[Any, Any] | None = None,
        *,
        format: FormatLike | None = None,
        timeout_s: float | None = None,
        force: bool = False,
    ) -> Path:
        """Create an instance (POST on the object, §6.3.7) and return its path.

        ``/3303`` lets the device choose the instance id, ``/3303/1`` chooses it.
        """
        path = need(path, "create", 1, 2)
        obj = Path(path.ids[:1])
        payload = (await self._payloads(force)).create(path, values, format)
        try:
            answer = await self.request("POST", obj, *payload, timeout_s=timeout_s)
        except ResponseError as problem:
            detail = problem.detail or await self._why_not_created(path, problem)
            raise response_error(problem.code, str(path), detail) from None
        location = Link("/" + "/".join(answer.location))
        created = below(location, (await self.registration()).links.root).path
        if created is not None and created.depth == 2 and created.oid == obj.oid:
            return created
        if path.depth == 2:
            return path
        raise FormatError("the device created an instance and did not tell its id")

    async def _why_not_created(self, path: Path, problem: ResponseError) -> str:
        """The reason that the device left out, where the registration tells it."""
        registered = (await self.registration()).objects.get(path.ids[0])
        if isinstance(problem, BadRequest) and registered and path.iid in registered.instances:
            return f"instance {path.iid} is there already"
        return ""

    async def delete(
        self, path: str | Path, *, timeout_s: float | None = None, force: bool = False
    ) -> None:
        """Delete an instance (§6.3.6), or a resource instance, which needs LwM2M 1.2."""
        path = need(path, "delete", 2, 4)
        if path.depth == 3:
            raise PathError(f"cannot delete the resource {path}")
        if path.depth == 4:
            (await self._payloads(force)).allow(versions.DELETE_RESOURCE_INSTANCE)
        await self.request("DELETE", path, timeout_s=timeout_s)

    async def write_attributes(
        self,
        path: str | Path,
        *,
        timeout_s: float | None = None,
        force: bool = False,
        **attributes: float | None,
    ) -> None:
        """Set attributes such as ``pmin=10, gt=25.5`` (PUT with queries, §6.3.4).

        None takes an attribute away.
        """
        path = need(path, "write attributes", 1, 4)
        query = (await self._payloads(force)).attributes(path, attributes)
        await self.request("PUT", path, query=query, timeout_s=timeout_s)

    # Information reporting (LwM2M 1.1 core §6.4)

    def observe(
        self,
        path: str | Path,
        *,
        format: FormatLike | None = None,
        attributes: Mapping[str, float | None] | None = None,
        reobserve: bool | None = None,
        ordered: bool = True,
        limit: int = QUEUE_LIMIT,
        timeout_s: float | None = None,
        force: bool = False,
    ) -> PendingObservation:
        """Observe an object, an instance, a resource or a resource instance (§6.4.1)::

            async with device.observe("/3303/0/5700") as observation:
                print(observation.first.value)
                async for notification in observation:
                    print(notification.value)

        ``await`` gives an Observation that lasts until it is cancelled. When the device registers
        anew, it is asked again, unless `reobserve` is False (by default, what the Server says).
        What is observed already is replaced.

        `attributes` as in `write_attributes` go with the request, which needs LwM2M 1.2 on the
        device. `ordered` False takes every notification as it comes, for a device that repeats its
        number (RFC 7641 §3.4). `limit` is how many notifications may wait to be fetched.
        NotObserved when the device answers and does not observe.
        """

        async def prepare() -> ObserveRequest:
            target = need(path, "observe", 1, 4)
            payloads = await self._payloads(force)
            payloads.check_read(target)
            if attributes:
                payloads.allow(versions.OBSERVE_ATTRIBUTES)
            query = payloads.attributes(target, attributes) if attributes else ()
            accept = payloads.format(format).number
            request = DeviceRequest("GET", target.segments, accept=accept, query=query)
            return ObserveRequest(
                self.endpoint, (target,), False, request, accept, reobserve, limit, ordered
            )

        return self._pending(prepare, limit, timeout_s)

    def observe_composite(
        self,
        paths: Iterable[str | Path],
        *,
        format: FormatLike | None = None,
        reobserve: bool | None = None,
        ordered: bool = True,
        limit: int = QUEUE_LIMIT,
        timeout_s: float | None = None,
        force: bool = False,
    ) -> PendingObservation:
        """Observe several paths together (FETCH, §6.4.2); the rest as `observe`.

        The value of a Notification is ``{"/3/0/0": value}``, as `read_composite` returns it.
        """

        async def prepare() -> ObserveRequest:
            payloads = await self._payloads(force)
            wanted, payload, answer = payloads.paths(paths, "observe", format)
            accept = answer.number
            request = DeviceRequest("FETCH", (), *payload, accept)
            return ObserveRequest(
                self.endpoint, tuple(wanted), True, request, accept, reobserve, limit, ordered
            )

        return self._pending(prepare, limit, timeout_s)

    def _pending(
        self,
        prepare: Callable[[], Awaitable[ObserveRequest]],
        limit: int,
        timeout_s: float | None,
    ) -> PendingObservation:
        if limit < 1:
            raise ValueError(f"limit is at least 1, got {limit}")

        async def start() -> Observation:
            return await self._observations.observe(await prepare(), timeout_s)

        return PendingObservation(start)

    @property
    def observations(self) -> list[Observation]:
        """The observations of the device, paused ones included."""
        return self._observations.of(self.endpoint)

    async def cancel(self, *paths: str | Path, timeout_s: float | None = None) -> None:
        """Cancel the observation of a path, or the composite one of several (§6.4.4).

        Raises NotObserved, and as `Observation.cancel` does.
        """
        wanted = [Path.parse(path) for path in paths]
        known = self._observations
        found = known.find(self.endpoint, wanted) if len(wanted) == 1 else None
        found = found or known.find(self.endpoint, wanted, composite=True)
        if found is None:
            raise NotObserved(" ".join(map(str, wanted)), "nothing is observed there")
        await found.cancel(timeout_s=timeout_s)

    def sends(self, limit: int = QUEUE_LIMIT) -> SendStream:
        """The Sends of the device from now on, as an asynchronous iterator (§6.4.5)."""
        return self._sends(self.endpoint, limit)

    # What all of them end in

    async def request(
        self,
        method: str,
        path: str | Path,
        payload: bytes = b"",
        content_format: int | None = None,
        *,
        accept: int | None = None,
        query: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> Response:
        """Send any request and return the successful answer. `method` is as in "GET"."""
        admission = self._sender.admission()
        if admission is not None:
            await admission
        return await self._sender.request(
            self.endpoint,
            DeviceRequest(
                method, Path.parse(path).segments, payload, content_format, accept, tuple(query)
            ),
            timeout_s,
        )

    async def _payloads(self, force: bool) -> Payloads:
        admission = self._sender.admission()
        if admission is not None:
            await admission
        return Payloads(await self.definitions(), force)
