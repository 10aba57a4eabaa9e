"""application/link-format (40): RFC 6690, as devices really write it."""

from __future__ import annotations

from ..errors import FormatError
from ..model.link import Link


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def skip_space(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def until(self, stops: str) -> str:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in stops:
            self.at += 1
        return self.text[start : self.at]

    def quoted(self) -> str:
        out: list[str] = []
        self.at += 1
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char == '"':
                return "".join(out)
            if char == "\\" and self.at < len(self.text):
                char = self.text[self.at]
                self.at += 1
            out.append(char)
        raise FormatError("a quoted string does not end")


def _attribute(scanner: _Scanner) -> tuple[str, str | None]:
    name = scanner.until("=;, \t\r\n").strip()
    if not name:
        raise FormatError(f"an attribute has no name at character {scanner.at}")
    scanner.skip_space()
    if scanner.peek() != "=":
        return name, None
    scanner.at += 1
    scanner.skip_space()
    if scanner.peek() == '"':
        return name, scanner.quoted()
    return name, scanner.until(";,").strip()


def parse(payload: bytes | str) -> list[Link]:
    """The links of a payload. Raises FormatError.

    Accepts white space, empty attributes (``;;``) and empty links (``,,``); the first value of a
    repeated attribute counts (RFC 6690 §2).
    """
    if isinstance(payload, bytes):
        try:
            payload = payload.decode("utf-8")
        except UnicodeDecodeError:
            raise FormatError("link format is not UTF-8") from None
    scanner = _Scanner(payload)
    links: list[Link] = []
    while True:
        scanner.skip_space()
        if not scanner.peek():
            return links
        if scanner.peek() == ",":
            scanner.at += 1
            continue
        if scanner.peek() != "<":
            raise FormatError(f"expected '<' at character {scanner.at}")
        scanner.at += 1
        target = scanner.until(">").strip()
        if scanner.peek() != ">":
            raise FormatError("a link target does not end")
        scanner.at += 1
        links.append(Link(target, _attributes(scanner)))


def _attributes(scanner: _Scanner) -> dict[str, str | None]:
    attributes: dict[str, str | None] = {}
    while True:
        scanner.skip_space()
        if scanner.peek() == ";":
            scanner.at += 1
            scanner.skip_space()
            if scanner.peek() in ("", ",", ";"):
                continue
            name, value = _attribute(scanner)
            attributes.setdefault(name, value)
        elif scanner.peek() in ("", ","):
            return attributes
        else:
            raise FormatError(f"expected ';' or ',' at character {scanner.at}")
