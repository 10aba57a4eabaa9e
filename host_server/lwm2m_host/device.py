"""One device as seen from the server: the operations of the management interface."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from aiocoap import Message
from aiocoap.numbers.codes import Code

from . import formats
from .coap.exchange import Asking, Fetch, complete, exchange
from .coap.tokens import Watch
from .errors import FormatError, NotObserved, NotRegistered, PathError, ValueTypeError
from .formats import LINK_FORMAT, Entry, Format, PathListFormat, TypeLookup
from .formats import link as link_format
from .formats.link import Link
from .model import validation
from .model.definitions import ObjectModel, ResourceModel
from .model.path import Path
from .model.tree import flatten
from .model.values import DataType, check
from .registration.definitions import Definitions
from .registration.registration import Registration, below
from .reporting.events import SendStream, Sent
from .reporting.observation import QUEUE_LIMIT, Observation, Opening
from .reporting.report import decoded

if TYPE_CHECKING:
    from .server import Server

ATTRIBUTES = ("pmin", "pmax", "gt", "lt", "st", "epmin", "epmax", "edge", "con", "hqmax")

FormatLike = int | str | Format

_ARGUMENTS = re.compile(r"[0-9](='[^']*')?(,[0-9](='[^']*')?)*")


class Content(NamedTuple):
    """A payload as it came. `format` is the content format's number, None when not told."""

    format: int | None
    payload: bytes


class Device:
    """A handle on one endpoint; get it from the server. It stays good over re-registrations.

    Requests to one device go out one after the other (NSTART 1, RFC 7252 §4.7).

    Every operation takes `timeout_s`: the seconds that its answer, and each block of a large one,
    may take once it is its turn; by default what the server's Timing says. It raises
    NotRegistered, DeviceTimeout (DeviceUnreachable), DeviceReset, TransferError, or the
    ResponseError of the code that the device answered; FormatError for an answer that cannot be
    decoded.

    Before anything is sent, what the definitions say is checked: PathError, ValueTypeError,
    OutOfRange, OperationRefused, MissingResources name the resource that is at fault. With
    `force`, whatever can be sent is sent: to see what the device makes of it.

    `format` is a content format by name or number. By default it is one that the device declared
    with ``ct=`` when it registered, else TLV; for composite operations SenML CBOR.
    """

    def __init__(self, server: Server, endpoint: str) -> None:
        self.endpoint = endpoint
        self._server = server
        self._turn = asyncio.Lock()
        self.observing = asyncio.Lock()  # held while an observation begins or is cancelled

    def __repr__(self) -> str:
        return f"<Device {self.endpoint}>"

    @property
    def registration(self) -> Registration:
        """The present registration. Raises NotRegistered."""
        registration = self._server.registry.by_endpoint(self.endpoint)
        if registration is None:
            raise NotRegistered(self.endpoint)
        return registration

    @property
    def definitions(self) -> Definitions:
        """The definitions of what the device has. Raises NotRegistered."""
        return Definitions(self._server.models, self.registration)

    def object_model(self, path: Path) -> ObjectModel | None:
        """The definition of the object of a path, in the version that the device registered."""
        return self.definitions.object_model(path)

    def resource_model(self, path: Path) -> ResourceModel | None:
        """The definition of the resource at, or above, a path."""
        return self.definitions.resource_model(path)

    def type_of(self, path: Path) -> DataType | None:
        """The data type of the resource at, or above, a path; None when it is not known."""
        return self.definitions.type_of(path)

    def is_multiple(self, path: Path) -> bool:
        """True when the definition says that the resource may have several instances."""
        return self.definitions.is_multiple(path)

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
        path = _need(path, "read", 1, 4)
        if not force:
            validation.check_operation("R", path, self.resource_model(path))
        accept = _number(format, raw) if format is not None else self._default_format().number
        answer = await self.request(Code.GET, path, accept=accept, timeout_s=timeout_s)
        content = Content(_format_of(answer), answer.payload)
        if raw:
            return content
        codec = formats.get(accept if content.format is None else content.format)
        return decoded(content.payload, codec, (path,), False, self.definitions)[1]

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
        wanted, asking, accept = self._wanted(paths, "read", format, force)
        payload = asking.encode_paths(_outermost(wanted))
        answer = await self.request(
            Code.FETCH,
            Path(),
            payload=payload,
            content_format=asking.number,
            accept=accept.number,
            timeout_s=timeout_s,
        )
        number = _format_of(answer)
        codec = formats.get(accept.number if number is None else number)
        value: dict[str, Any] = decoded(answer.payload, codec, wanted, True, self.definitions)[1]
        return value

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
        path = _need(path, "write", 2, 4)
        if update and path.depth != 2 and not (path.depth == 3 and isinstance(value, Mapping)):
            raise PathError(f"a partial update needs an instance, got {path}")
        codec = formats.get(format) if format is not None else self._default_format()
        entries, type_of = self._checked(flatten(path, value), "write", force)
        await self.request(
            Code.POST if update else Code.PUT,
            path,
            payload=codec.encode(entries, path, type_of),
            content_format=codec.number,
            timeout_s=timeout_s,
        )

    async def write_composite(
        self,
        values: Mapping[str | Path, Any] | Mapping[str, Any] | Mapping[Path, Any],
        *,
        format: FormatLike | None = None,
        timeout_s: float | None = None,
        force: bool = False,
    ) -> None:
        """Write several paths in one request, all or none (iPATCH, §6.3.9).

        ``{"/1/0/1": 300, "/3/0": {14: "+01:00"}}``; values are nested as `read` returns them.
        """
        entries: list[Entry] = []
        for path, value in values.items():
            entries += flatten(_need(path, "write", 0, 4), value)
        if not entries:
            raise ValueTypeError("no value to write")
        entries, type_of = self._checked(entries, "write", force)
        codec: Format = self._composite(None)[0] if format is None else formats.get(format)
        if not codec.carries_root:
            raise FormatError(f"{codec} cannot carry a composite write")
        await self.request(
            Code.iPATCH,
            Path(),
            payload=codec.encode(entries, Path(), type_of),
            content_format=codec.number,
            timeout_s=timeout_s,
        )

    async def execute(
        self,
        path: str | Path,
        args: str = "",
        *,
        timeout_s: float | None = None,
        force: bool = False,
    ) -> None:
        """Execute a resource (POST, §6.3.5), with arguments as in ``0='text',3``."""
        path = _need(path, "execute", 3, 3)
        if not force:
            validation.check_operation("E", path, self.resource_model(path))
            if args and not (args.isascii() and _ARGUMENTS.fullmatch(args)):
                raise ValueTypeError(f"expects arguments as in 0='text',3, got {args!r}")
        await self.request(
            Code.POST,
            path,
            payload=args.encode("utf-8"),
            content_format=formats.TEXT.number if args else None,
            timeout_s=timeout_s,
        )

    async def discover(self, path: str | Path, *, timeout_s: float | None = None) -> list[Link]:
        """Discover what is there and its attributes (GET, §6.3.2).

        Targets are relative to the device's LwM2M root; `Link.path` is the LwM2M path,
        `Link.attributes` what is attached to it ("pmin"), `Link.version` and `Link.dimension`
        what the device tells of objects and multiple resources.
        """
        path = _need(path, "discover", 0, 3)
        answer = await self.request(Code.GET, path, accept=LINK_FORMAT, timeout_s=timeout_s)
        number = _format_of(answer)
        if number not in (None, LINK_FORMAT):
            raise FormatError(f"asked for link format (40), got content format {number}")
        root = self.registration.links.root
        return [below(item, root) for item in link_format.parse(answer.payload)]

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
        path = _need(path, "create", 1, 2)
        obj = Path(path.ids[:1])
        codec = formats.get(format) if format is not None else self._default_format()
        # Who leaves the id to the device sends resources without one: only TLV can do so.
        target = path if path.depth == 2 else obj / 0
        given = flatten(target, values or {}) if values or path.depth == 2 else []
        if not values and format is None:
            codec = formats.TLV  # SenML has no form for an instance without values
        entries, type_of = self._checked(given, "create", force)
        if not force:
            validation.check_create(path, self.object_model(path), entries)
        if not entries:
            payload = b""
        elif path.depth == 2:
            payload = codec.encode(entries, obj, type_of)
        else:
            if codec is not formats.TLV:
                if format is not None:
                    raise FormatError(f"{codec} needs the id of the new instance, as in {target}")
                codec = formats.TLV
            payload = codec.encode(entries, target, type_of)
        answer = await self.request(
            Code.POST,
            obj,
            payload=payload,
            content_format=codec.number if payload else None,
            timeout_s=timeout_s,
        )
        location = Link("/" + "/".join(answer.opt.location_path))
        told = below(location, self.registration.links.root).path
        if told is not None and told.depth == 2 and told.oid == obj.oid:
            return told
        if path.depth == 2:
            return path
        raise FormatError("the device created an instance and did not tell its id")

    async def delete(self, path: str | Path, *, timeout_s: float | None = None) -> None:
        """Delete an instance (§6.3.6), or a resource instance (1.2)."""
        path = _need(path, "delete", 2, 4)
        if path.depth == 3:
            raise PathError(f"cannot delete the resource {path}")
        await self.request(Code.DELETE, path, timeout_s=timeout_s)

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
        path = _need(path, "write attributes", 1, 4)
        query = self._attributes(path, attributes, force)
        await self.request(Code.PUT, path, query=query, timeout_s=timeout_s)

    def observe(
        self,
        path: str | Path,
        *,
        format: FormatLike | None = None,
        attributes: Mapping[str, float | None] | None = None,
        reobserve: bool | None = None,
        limit: int = QUEUE_LIMIT,
        timeout_s: float | None = None,
        force: bool = False,
    ) -> Opening:
        """Observe an object, an instance, a resource or a resource instance (§6.4.1)::

            async with device.observe("/3303/0/5700") as observation:
                print(observation.first.value)
                async for notification in observation:
                    print(notification.value)

        ``await`` gives an Observation that lasts until it is cancelled. When the device registers
        anew, it is asked again, unless `reobserve` is False (by default, what the Server says).
        What is observed already is replaced.

        `attributes` as in `write_attributes` go with the request, which needs LwM2M 1.2 on the
        device. `limit` is how many notifications may wait to be fetched. NotObserved when the
        device answers and does not observe.
        """
        path = _need(path, "observe", 1, 4)
        if not force:
            validation.check_operation("R", path, self.resource_model(path))
        query = self._attributes(path, attributes, force) if attributes else []
        accept = formats.get(format) if format is not None else self._default_format()
        return self._opening(
            (path,),
            False,
            accept,
            {"code": Code.GET, "path": path, "accept": accept.number, "query": query},
            reobserve,
            limit,
            timeout_s,
        )

    def observe_composite(
        self,
        paths: Iterable[str | Path],
        *,
        format: FormatLike | None = None,
        reobserve: bool | None = None,
        limit: int = QUEUE_LIMIT,
        timeout_s: float | None = None,
        force: bool = False,
    ) -> Opening:
        """Observe several paths together (FETCH, §6.4.2); the rest as `observe`.

        The value of a Notification is ``{"/3/0/0": value}``, as `read_composite` returns it.
        """
        wanted, asking, accept = self._wanted(paths, "observe", format, force)
        request = {
            "code": Code.FETCH,
            "path": Path(),
            "payload": asking.encode_paths(_outermost(wanted)),
            "content_format": asking.number,
            "accept": accept.number,
        }
        return self._opening(tuple(wanted), True, accept, request, reobserve, limit, timeout_s)

    def _opening(
        self,
        paths: tuple[Path, ...],
        composite: bool,
        accept: Format,
        request: dict[str, Any],
        reobserve: bool | None,
        limit: int,
        timeout_s: float | None,
    ) -> Opening:
        if limit < 1:
            raise ValueError(f"limit is at least 1, got {limit}")
        return Opening(
            lambda: self._server.observations.start(
                self,
                paths,
                timeout_s,
                composite=composite,
                accept=accept,
                asking=request,
                reobserve=reobserve,
                limit=limit,
            )
        )

    @property
    def observations(self) -> list[Observation]:
        """What is observed, or will be when the device is back."""
        return self._server.observations.of(self.endpoint)

    async def cancel(self, *paths: str | Path, timeout_s: float | None = None) -> None:
        """Cancel the observation of a path, or the composite one of several (§6.4.4).

        Raises NotObserved, and as `Observation.cancel` does.
        """
        wanted = [Path.parse(path) for path in paths]
        known = self._server.observations
        found = known.find(self.endpoint, wanted) if len(wanted) == 1 else None
        found = found or known.find(self.endpoint, wanted, composite=True)
        if found is None:
            raise NotObserved(" ".join(map(str, wanted)), "nothing is observed there")
        await found.cancel(timeout_s=timeout_s)

    def sends(self, limit: int = QUEUE_LIMIT) -> SendStream:
        """What the device sends by itself, from now on, as an asynchronous iterator over Send."""
        return SendStream(self._server.events(Sent, self.endpoint, limit))

    async def complete(self, notification: Message, **asking: Any) -> Message:
        """The whole of a notification in blocks; `asking` are the arguments of its request."""
        async with self._turn:
            message = self._message(**asking)
            return await complete(
                self._server.context,
                message,
                notification,
                self._server.timing.timeout(),
                endpoint=self.endpoint,
                path=str(asking["path"]),
            )

    async def request(
        self,
        code: Code,
        path: Path,
        *,
        payload: bytes = b"",
        content_format: int | None = None,
        accept: int | None = None,
        query: Sequence[str] = (),
        observe: int | None = None,
        watch: Watch | None = None,
        timeout_s: float | None = None,
    ) -> Message:
        """Send one request and return the successful answer. The other operations end here."""
        async with self._turn:
            message = self._message(code, path, payload, content_format, accept, query)
            message.opt.observe = observe
            message.watch = watch
            return await exchange(
                self._server.context,
                message,
                self._server.timing.timeout(timeout_s),
                endpoint=self.endpoint,
                path=str(path),
            )

    def _message(
        self,
        code: Code,
        path: Path,
        payload: bytes = b"",
        content_format: int | None = None,
        accept: int | None = None,
        query: Sequence[str] = (),
    ) -> Asking:
        registration = self.registration
        message = (Fetch if code == Code.FETCH else Asking)(
            code=code,
            payload=payload,
            uri_path=(*registration.links.root, *path.segments),
            uri_query=tuple(query),
            transport_tuning=self._server.timing.tuning(),
        )
        if content_format is not None:
            message.opt.content_format = content_format
        if accept is not None:
            message.opt.accept = accept
        message.remote = registration.remote
        return message

    def _attributes(
        self, path: Path, attributes: Mapping[str, float | None], force: bool
    ) -> list[str]:
        """Attributes as a query. Raises as `write_attributes` does."""
        for name in attributes:
            if name not in ATTRIBUTES and not force:
                known = ", ".join(ATTRIBUTES)
                raise ValueTypeError(f"unknown attribute {name}; known are {known}")
        if not attributes:
            raise ValueTypeError("no attribute to write")
        if not force:
            validation.check_attributes(path, self.resource_model(path), attributes)
        return [
            name if value is None else f"{name}={_decimal(value)}"
            for name, value in attributes.items()
        ]

    def _checked(
        self, entries: Sequence[Entry], operation: str, force: bool
    ) -> tuple[list[Entry], TypeLookup]:
        """The entries to send, each checked against its definition, and their types.

        With `force`, a value of another type goes as what it is.
        """
        checked: list[Entry] = []
        untyped: set[Path] = set()
        for entry in entries:
            resource = self.resource_model(entry.path)
            # A new instance may be given what it could not be told later.
            new = operation == "create" and resource is not None and resource.readable
            if not force and not new:
                validation.check_operation("W", entry.path, resource)
            if entry.value is not None and resource is not None:
                try:
                    entry = Entry(entry.path, check(entry.value, resource.type))
                except ValueTypeError as problem:
                    if not force:
                        name = validation.label(entry.path, resource)
                        raise type(problem)(f"{name} {problem}") from None
                    untyped.add(entry.path)
            if not force:
                validation.check_entry(entry, resource)
            checked.append(entry)

        def type_of(path: Path) -> DataType | None:
            return None if path in untyped else self.type_of(path)

        return checked, type_of

    def _wanted(
        self, paths: Iterable[str | Path], operation: str, format: FormatLike | None, force: bool
    ) -> tuple[list[Path], PathListFormat, Format]:
        """The paths of a composite request, what to send them in, and what to ask for."""
        wanted = list(dict.fromkeys(_need(path, operation, 0, 4) for path in paths))
        if not wanted:
            raise PathError(f"no path to {operation}")
        if not force:
            for path in wanted:
                validation.check_operation("R", path, self.resource_model(path))
        return wanted, *self._composite(format)

    def _composite(self, format: FormatLike | None) -> tuple[PathListFormat, Format]:
        """How to send a list of paths, and what to ask the answer in."""
        if format is None:
            asking = formats.choose_composite(self.registration.links.formats)
            wish: Format = asking
        else:
            wish = formats.get(format)
            if not wish.carries_root:
                raise FormatError(f"{wish} cannot carry a composite read")
            asking = wish if isinstance(wish, PathListFormat) else formats.SENML_CBOR
        answers = {
            formats.SENML_ETCH_JSON.number: formats.SENML_JSON,
            formats.SENML_ETCH_CBOR.number: formats.SENML_CBOR,
        }
        return asking, answers.get(wish.number, wish)

    def _default_format(self) -> Format:
        return formats.choose(self.registration.links.formats)


def _need(path: str | Path, operation: str, low: int, high: int) -> Path:
    path = Path.parse(path)
    if low <= path.depth <= high:
        return path
    raise PathError(f"cannot {operation} the {path.level} {path}")


def _number(which: FormatLike, raw: bool) -> int:
    if raw and isinstance(which, int):
        return which
    return formats.get(which).number


def _format_of(answer: Message) -> int | None:
    number = answer.opt.content_format
    return None if number is None else int(number)


def _outermost(paths: Sequence[Path]) -> list[Path]:
    """Without those that others cover: a device might answer twice."""
    return [p for p in paths if not any(q != p and q.covers(p) for q in paths)]


def _decimal(value: float) -> str:
    """A number as RFC 3986 queries and LwM2M's grammar have it: no exponent."""
    if isinstance(value, int):
        return str(int(value))  # also of a bool
    if not math.isfinite(value):
        return repr(value)  # only when forced
    return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
