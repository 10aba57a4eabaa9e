"""The asyncio driver of a client: one task waits for timers, one for each socket. Loaded
with `Client.run`.

asyncio has no datagrams; the way to wait for a readable socket is its own queue of the poller,
which is private. It is used in one place, `_readable`.
"""

import asyncio

from micropython import const

from lwm2m.clock import Deadline

# Pause of the driver when it has found no memory
_WITHOUT_MEMORY_MS = const(100)


async def drive(client):
    """Run `client` until it has ended (`client.deregister()`). Raises what asyncio raises."""
    driver = _Driver(client)
    try:
        await driver.run()
    finally:
        driver.stop()


def _readable(sock):
    # An awaitable: MicroPython awaits generators.
    yield asyncio.core._io_queue.queue_read(sock)


class _Driver:
    def __init__(self, client):
        self._client = client
        self._wake = asyncio.Event()
        client.wake = self._wake.set
        self._planned = Deadline(client.clock)
        # The sockets that are waited for, each with its task
        self._receivers = []

    async def run(self):
        client = self._client
        while True:
            due = client.step()
            if client.ended:
                return
            self._wake.clear()
            self._planned.after(due)
            try:
                self._follow_sockets()
                await asyncio.wait_for_ms(self._wake.wait(), due)
            except asyncio.TimeoutError:
                pass
            except MemoryError:
                self._client.collect()
                await asyncio.sleep_ms(_WITHOUT_MEMORY_MS)

    def stop(self):
        self._client.wake = lambda: None
        for _, task in self._receivers:
            task.cancel()

    def _sockets(self):
        sockets = []
        for registration in self._client.registrations:
            if registration.transport.sock:
                sockets.append(registration.transport.sock)
        return sockets

    def _follow_sockets(self):
        # A registration opens a new socket when it starts over: its receiver must follow.
        sockets = self._sockets()
        for entry in list(self._receivers):
            if entry[0] in sockets and not entry[1].done():
                sockets.remove(entry[0])
            else:
                entry[1].cancel()
                self._receivers.remove(entry)
        for sock in sockets:
            self._receivers.append((sock, asyncio.create_task(self._receive(sock))))

    async def _receive(self, sock):
        client = self._client
        while True:
            try:
                await _readable(sock)
            except MemoryError:
                # What the queue has noted of this task is incomplete.
                asyncio.core._io_queue.remove(asyncio.current_task())
                self._client.collect()
                await asyncio.sleep_ms(_WITHOUT_MEMORY_MS)
            due = client.step()
            # The timer task costs garbage to wake: only when its plan has changed.
            try:
                if due < self._planned.left_ms() or client.ended or sock not in self._sockets():
                    self._wake.set()
            except MemoryError:
                self._wake.set()
