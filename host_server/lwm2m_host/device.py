"""One device as seen from the server: the operations of the management interface."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from aiocoap import Message
from aiocoap.numbers.codes import Code

from . import formats
from .errors import FormatError, NotRegistered, PathError, ValueTypeError
from .formats import LINK_FORMAT, TLV, Entry, Format
from .formats import link as link_format
from .formats.link import Link
from .models import ObjectModel, ResourceModel
from .paths import Path
from .registry import Registration, below
from .transport.request import exchange
from .tree import flatten, shape
from .values import DataType, check

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
    ResponseError of the code that the device answered; PathError and ValueTypeError before
    anything is sent; FormatError for an answer that cannot be decoded.
    """

    def __init__(self, server: Server, endpoint: str) -> None:
        self.endpoint = endpoint
        self._server = server
        self._turn = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<Device {self.endpoint}>"

    @property
    def registration(self) -> Registration:
        """The present registration. Raises NotRegistered."""
        registration = self._server.registry.by_endpoint(self.endpoint)
        if registration is None:
            raise NotRegistered(self.endpoint)
        return registration

    def object_model(self, path: Path) -> ObjectModel | None:
        """The definition of the object of a path, in the version that the device registered."""
        if path.oid is None:
            return None
        return self._server.models.object(path.oid, self.registration.object_version(path))

    def resource_model(self, path: Path) -> ResourceModel | None:
        """The definition of the resource at, or above, a path."""
        model = self.object_model(path)
        return model.resources.get(path.rid) if model and path.rid is not None else None

    def type_of(self, path: Path) -> DataType | None:
        """The data type of the resource at, or above, a path; None when it is not known."""
        resource = self.resource_model(path)
        return resource.type if resource else None

    def is_multiple(self, path: Path) -> bool:
        """True when the definition says that the resource may have several instances."""
        resource = self.resource_model(path)
        return resource is not None and resource.multiple

    async def read(
        self,
        path: str | Path,
        *,
        format: FormatLike | None = None,
        raw: bool = False,
        timeout_s: float | None = None,
    ) -> Any:
        """Read an object, an instance, a resource or a resource instance (GET, §6.3.1).

        A resource is a typed value, or ``{riid: value}`` when it is multiple; an instance is
        ``{rid: ...}``, an object ``{iid: {rid: ...}}``. `format` asks for a content format by
        number or name; the default follows what the device declares. `raw` returns Content.
        """
        path = _need(path, "read", 1, 4)
        accept = _number(format, raw) if format is not None else self._default_format().number
        answer = await self.request(Code.GET, path, accept=accept, timeout_s=timeout_s)
        content = Content(_format_of(answer), answer.payload)
        if raw:
            return content
        codec = formats.get(accept if content.format is None else content.format)
        entries = codec.decode(content.payload, path, self.type_of)
        return shape(entries, path, self.is_multiple)

    async def write(
        self,
        path: str | Path,
        value: Any,
        *,
        format: FormatLike | None = None,
        update: bool = False,
        timeout_s: float | None = None,
    ) -> None:
        """Write an instance, a resource or a resource instance (§6.3.3).

        Replaces what is there (PUT); with `update`, an instance keeps the resources that the
        value does not name (POST). The value is nested as `read` returns it.
        """
        path = _need(path, "write", 2, 4)
        if update and path.depth != 2:
            raise PathError(f"a partial update needs an instance, got {path}")
        codec = formats.get(format) if format is not None else TLV
        payload = codec.encode(self._entries(path, value), path, self.type_of)
        await self.request(
            Code.POST if update else Code.PUT,
            path,
            payload=payload,
            content_format=codec.number,
            timeout_s=timeout_s,
        )

    async def execute(
        self, path: str | Path, args: str = "", *, timeout_s: float | None = None
    ) -> None:
        """Execute a resource (POST, §6.3.5), with arguments as in ``0='text',3``."""
        path = _need(path, "execute", 3, 3)
        if args and not (args.isascii() and _ARGUMENTS.fullmatch(args)):
            raise ValueTypeError(f"expects arguments as in 0='text',3, got {args!r}")
        await self.request(
            Code.POST,
            path,
            payload=args.encode("ascii"),
            content_format=formats.TEXT.number if args else None,
            timeout_s=timeout_s,
        )

    async def discover(self, path: str | Path, *, timeout_s: float | None = None) -> list[Link]:
        """Discover what is there and its attributes (GET, §6.3.2).

        Targets are relative to the device's LwM2M root; `Link.path` is the LwM2M path.
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
    ) -> Path:
        """Create an instance (POST on the object, §6.3.7) and return its path.

        ``/3303`` lets the device choose the instance id, ``/3303/1`` chooses it.
        """
        path = _need(path, "create", 1, 2)
        obj = Path(path.ids[:1])
        codec = formats.get(format) if format is not None else TLV
        if path.depth == 2:
            payload = codec.encode(self._entries(path, values or {}), obj, self.type_of)
        elif values:
            payload = codec.encode(self._entries(obj / 0, values), obj / 0, self.type_of)
        else:
            payload = b""
        answer = await self.request(
            Code.POST, obj, payload=payload, content_format=codec.number, timeout_s=timeout_s
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
        self, path: str | Path, *, timeout_s: float | None = None, **attributes: float | None
    ) -> None:
        """Set attributes such as ``pmin=10, gt=25.5`` (PUT with queries, §6.3.4).

        None takes an attribute away.
        """
        path = _need(path, "write attributes", 1, 4)
        query = []
        for name, value in attributes.items():
            if name not in ATTRIBUTES:
                known = ", ".join(ATTRIBUTES)
                raise ValueTypeError(f"unknown attribute {name}; known are {known}")
            query.append(name if value is None else f"{name}={value:.17g}")
        if not query:
            raise ValueTypeError("no attribute to write")
        await self.request(Code.PUT, path, query=query, timeout_s=timeout_s)

    async def request(
        self,
        code: Code,
        path: Path,
        *,
        payload: bytes = b"",
        content_format: int | None = None,
        accept: int | None = None,
        query: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> Message:
        """Send one request and return the successful answer. The other operations end here."""
        async with self._turn:
            registration = self.registration
            message = Message(
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
            return await exchange(
                self._server.context,
                message,
                self._server.timing.timeout(timeout_s),
                endpoint=self.endpoint,
                path=str(path),
            )

    def _entries(self, path: Path, value: Any) -> list[Entry]:
        """The entries to send, each checked against its type: an error names its resource."""
        entries = []
        for entry in flatten(path, value):
            kind = self.type_of(entry.path)
            if entry.value is not None and kind is not None:
                try:
                    entry = Entry(entry.path, check(entry.value, kind))
                except ValueTypeError as problem:
                    raise ValueTypeError(f"{entry.path} {problem}") from None
            entries.append(entry)
        return entries

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
