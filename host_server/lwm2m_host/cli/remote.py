"""Requests of the commands to the running server.

`http.client` is enough for them, and is imported in a fraction of the time of a larger library.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from .. import Path, PathError
from .failure import Failure, WrongArgument

CONNECT_S = 5.0
SILENCE_S = 60.0  # of the event stream, which has a comment every few seconds

_NEXT = re.compile(r'<([^>]*)>;\s*rel="next"')

_CONNECTIONS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
_ARGUMENT_ERRORS = (
    "BadArgument",
    "MissingResources",
    "NotInVersion",
    "OperationRefused",
    "OutOfRange",
    "PathError",
    "ValueTypeError",
)


def parse_path(text: str) -> Path:
    """A path from the command line. Raises WrongArgument."""
    try:
        return Path.parse(text)
    except PathError as error:
        raise WrongArgument(str(error)) from None


class ServerClient:
    """A client of a server's HTTP API. `timeout_s` is the time that a device may take."""

    def __init__(self, url: str, timeout_s: float = 30.0) -> None:
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s

    def client(self, method: str, endpoint: str, path: str = "", **more: Any) -> Any:
        """A request below /api/clients/EP. Keywords: `body` (str), `params` (dict)."""
        params = {"timeout": f"{self._timeout_s:g}", **more.pop("params", {})}
        tail = path if path.startswith("/") or not path else "/" + path
        url = f"/api/clients/{quote(endpoint, safe='')}{tail}"
        return self.request(method, url, params=params, **more)

    def request(
        self, method: str, url: str, *, params: dict[str, str] | None = None, body: str = ""
    ) -> Any:
        """The JSON of an answer. Raises Failure; WrongArgument where the arguments are wrong."""
        return self._request(method, url, params or {}, body)[0]

    def pages(self, url: str) -> Iterator[Any]:
        """The items of a list that comes in pages. Raises as `request` does."""
        following: str | None = url
        while following is not None:
            items, link = self._request("GET", following, {}, "")
            yield from items
            found = _NEXT.search(link)
            following = found[1] if found else None

    def _request(
        self, method: str, url: str, params: dict[str, str], body: str
    ) -> tuple[Any, str]:
        """The JSON of an answer, and its header Link."""
        # Without a limit: the server watches the device's time.
        with self._answer(method, url, params, body, None) as answer:
            content = answer.read()
            link = answer.getheader("Link", "")
        try:
            data = json.loads(content)
        except (ValueError, RecursionError):
            raise Failure(f"{self.url} is not an lwm2m-host server") from None
        if answer.status < 300:
            return data, link
        message = data.get("message") if isinstance(data, dict) else None
        if not message:
            raise Failure(f"{self.url} answered {answer.status}")
        if data.get("error") in _ARGUMENT_ERRORS:
            raise WrongArgument(message)
        raise Failure(message)

    def events(
        self, endpoint: str | None = None, ready: Callable[[], None] | None = None
    ) -> Iterator[dict[str, Any]]:
        """The server's events, as they come; ends when the server does.

        `ready` is called once no event is missed any more.
        """
        params = {"ep": endpoint} if endpoint else {}
        with self._answer("GET", "/api/events", params, "", SILENCE_S) as answer:
            if answer.status >= 300:
                raise Failure(f"{self.url} answered {answer.status}")
            for line in answer:
                if ready is not None:  # the stream begins with a comment
                    ready()
                    ready = None
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

    @contextmanager
    def _answer(
        self, method: str, url: str, params: dict[str, str], body: str, silence_s: float | None
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer to a request, which may be silent for `silence_s` seconds, None without
        end. Raises Failure, WrongArgument."""
        place = url + ("?" + urlencode(params, quote_via=quote) if params else "")
        with closing(self._connect()) as connection:
            try:
                connection.sock.settimeout(silence_s)
                connection.request(method, self._base + place, body.encode())
                yield connection.getresponse()
            except TimeoutError:
                raise Failure(f"the server at {self.url} did not answer in time") from None
            except (OSError, http.client.HTTPException) as error:
                reason = str(error) or type(error).__name__
                raise Failure(f"the connection to {self.url} broke ({reason})") from None

    def _connect(self) -> http.client.HTTPConnection:
        try:
            parts = urlsplit(self.url)
            kind = _CONNECTIONS[parts.scheme]
            connection = kind(parts.hostname or "", parts.port, timeout=CONNECT_S)
            self._base = parts.path
            if not parts.hostname:
                raise ValueError("no host")
        except (KeyError, ValueError, http.client.InvalidURL):
            raise WrongArgument(f"bad server address {self.url!r}") from None
        try:
            connection.connect()
        except (OSError, UnicodeError):
            raise Failure(
                f"no server answers at {self.url}; start one with: lwm2m-host serve"
            ) from None
        return connection
