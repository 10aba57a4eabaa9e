"""Requests of the commands to the running server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx

from .. import Path, PathError
from .failure import Failure, WrongArgument

_ARGUMENT_ERRORS = (
    "BadArgument",
    "MissingResources",
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
        with self._explained():
            answer = httpx.request(
                method,
                self.url + url,
                params=params,
                content=body.encode(),
                timeout=httpx.Timeout(5.0, read=None),  # the server watches the device's time
                trust_env=False,
            )
        try:
            data = answer.json()
        except ValueError:
            raise Failure(f"{self.url} is not an lwm2m-host server") from None
        if answer.is_success:
            return data
        message = data.get("message") if isinstance(data, dict) else None
        if not message:
            raise Failure(f"{self.url} answered {answer.status_code}")
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
        with (
            self._explained(),
            httpx.stream(
                "GET",
                self.url + "/api/events",
                params=params,
                timeout=httpx.Timeout(5.0, read=60.0),
                trust_env=False,
            ) as answer,
        ):
            if not answer.is_success:
                raise Failure(f"{self.url} answered {answer.status_code}")
            for line in answer.iter_lines():
                if ready is not None:  # the stream begins with a comment
                    ready()
                    ready = None
                if line.startswith("data: "):
                    yield json.loads(line[6:])

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise Failure(
                f"no server answers at {self.url}; start one with: lwm2m-host serve"
            ) from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise WrongArgument(f"bad server address {self.url!r}") from None
        except httpx.TimeoutException:
            raise Failure(f"the server at {self.url} did not answer in time") from None
        except httpx.HTTPError as error:
            raise Failure(f"the connection to {self.url} broke ({error})") from None
