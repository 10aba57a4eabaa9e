"""Blocks of what devices send and receive by themselves (RFC 7959), within bounds.

Uploads puts requests together that come in blocks. Downloads keeps the answers that leave in
blocks, until the device has fetched them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from .codec import BLOCK1, BLOCK2, OBSERVE, Block, Message

# Bytes of one upload
UPLOAD_BYTES = 256 * 1024
# Bytes of all uploads that have begun
ALL_UPLOADS_BYTES = 32 * 1024 * 1024
# Uploads of one peer at a time
PEER_UPLOADS = 4
# Seconds without a block after which an upload may have to give its place to another
IDLE_S = 10.0
# Seconds without a block after which a transfer is dropped (RFC 7959 §2.5 leaves it open)
LIFETIME_S = 247.0
ALL_DOWNLOADS = 256
# What an upload takes beside its bytes
_ENTRY_BYTES = 500


class Incomplete(Exception):
    """A block that does not follow the one before it: 4.08 (RFC 7959 §2.9.2)."""


class TooLarge(Exception):
    """More bytes than are taken: 4.13 (RFC 7959 §2.9.3)."""


class Busy(Exception):
    """Too many uploads at once: 5.03."""


def cache_key(remote: Hashable, message: Message) -> Hashable:
    """The same for all blocks of one transfer: who asks, and what for (RFC 7252 §5.6)."""
    return (
        remote,
        message.code,
        tuple(
            (number, value)
            for number, value in message.options
            if number not in (BLOCK1, BLOCK2, OBSERVE) and number & 0x1E != 0x1C
        ),
    )


class _Upload:
    __slots__ = ("body", "last", "remote", "touched_s")

    def __init__(self, remote: Hashable) -> None:
        self.remote = remote
        self.body = bytearray()
        self.last = 0  # where the last block began
        self.touched_s = 0.0


class Uploads:
    """Requests that are coming in blocks. A stranger cannot end the upload of another."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.limit = UPLOAD_BYTES
        self._clock = clock
        # The one that a block came for last is the last one.
        self._found: dict[Hashable, _Upload] = {}
        self._peers: dict[Hashable, int] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._found)

    def take(self, remote: Hashable, key: Hashable, block: Block, payload: bytes) -> bytes | None:
        """Take a block. Returns the whole, None when there is more to come.

        Raises Incomplete, TooLarge, Busy.
        """
        if block.more and len(payload) != block.size:
            self._drop(key)
            raise Incomplete
        upload = self._found.get(key)
        if block.number == 0:
            if not block.more:
                self._drop(key)
                return payload
            self._drop(key)
            upload = self._begin(remote, key)
        elif upload is None:
            raise Incomplete
        elif block.more and block.start == upload.last and upload.body[block.start :] == payload:
            return None  # the block before, once more
        elif block.start != len(upload.body):
            self._drop(key)
            raise Incomplete
        if len(upload.body) + len(payload) > self.limit:
            self._drop(key)
            raise TooLarge
        upload.last = len(upload.body)
        upload.body += payload
        self._bytes += len(payload)
        if not block.more:
            whole = bytes(upload.body)
            self._drop(key)
            return whole
        upload.touched_s = self._clock()
        self._found[key] = self._found.pop(key)
        return None

    def _begin(self, remote: Hashable, key: Hashable) -> _Upload:
        now_s = self._clock()
        while self._found:
            stalest = next(iter(self._found))
            idle_s = now_s - self._found[stalest].touched_s
            full = self._bytes >= ALL_UPLOADS_BYTES
            if idle_s < LIFETIME_S and not (full and idle_s >= IDLE_S):
                break
            self._drop(stalest)
        count = self._peers.get(remote, 0)
        if self._bytes >= ALL_UPLOADS_BYTES or count >= PEER_UPLOADS:
            raise Busy
        self._peers[remote] = count + 1
        self._bytes += _ENTRY_BYTES
        upload = self._found[key] = _Upload(remote)
        return upload

    def _drop(self, key: Hashable) -> None:
        upload = self._found.pop(key, None)
        if upload is None:
            return
        self._bytes -= len(upload.body) + _ENTRY_BYTES
        self._peers[upload.remote] -= 1
        if not self._peers[upload.remote]:
            del self._peers[upload.remote]


class Download:
    """An answer that leaves in blocks: its code, its options without Block2, and its payload."""

    __slots__ = ("code", "options", "payload", "touched_s")

    def __init__(self, code: int, options: list[tuple[int, bytes]], payload: bytes) -> None:
        self.code = code
        self.options = options
        self.payload = payload
        self.touched_s = 0.0


class Downloads:
    """Responses that devices fetch block by block."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._found: dict[Hashable, Download] = {}

    def __len__(self) -> int:
        return len(self._found)

    def keep(self, key: Hashable, download: Download) -> None:
        """Keep an answer until its last block is asked for."""
        self._found.pop(key, None)
        download.touched_s = self._clock()
        self._found[key] = download
        while (
            len(self._found) > ALL_DOWNLOADS
            or self._clock() - next(iter(self._found.values())).touched_s > LIFETIME_S
        ):
            del self._found[next(iter(self._found))]

    def find(self, key: Hashable) -> Download | None:
        """The answer that is being fetched."""
        return self._found.get(key)

    def forget(self, key: Hashable) -> None:
        self._found.pop(key, None)
