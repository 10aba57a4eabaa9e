"""CoAP over UDP on a connected socket, one datagram at a time.

`recv` is the only way in MicroPython to get exactly one datagram (`readinto` glues them
together), so each received datagram is one object of its own length: the only garbage of a
served request.
"""

import gc
import select
import socket
from micropython import const

# What IPv6 carries unfragmented. One byte more is read, and tells that there was more.
_LONGEST = const(1280)
_NEVER_MS = const(3600000)


class Udp:
    """A UDP association with one server (the contract: transport.base).

    `host` name or address, `port`; `bind(sock, family)`, if there is one, gives the socket a local
    address (transport.local_port). Datagrams of up to 1280 bytes are received whole.
    """

    secure = ready = deaf = False
    renewals = 0

    def __init__(self, host, port=5683, bind=None):
        self.host = host
        self.port = port
        self.bind = bind
        self.sock = self.poller = None
        self.data = b""
        # Which of the addresses of the host is used
        self.index = -1
        self.poll = select.poll()

    def open(self, poller=None):
        """Resolve the host and open a fresh socket (a new local port each time unless one is
        bound), which `poller` gets as well. Where nobody has answered, the next address of the
        host is tried.

        Raises OSError when the name does not resolve or the network is down.
        """
        self.close()
        self.poller = poller
        found = socket.getaddrinfo(self.host, self.port, 0, socket.SOCK_DGRAM)
        if not self.data:
            self.index += 1  # nobody has answered at the last address
        self.data = b""
        info = found[self.index % len(found)]
        self.sock = sock = socket.socket(info[0], socket.SOCK_DGRAM)
        try:
            if self.bind:
                self.bind(sock, info[0])
            sock.connect(info[-1])
            sock.setblocking(False)
            register(self.poll, sock)
            if poller:
                register(poller, sock)
        except Exception:
            self.close()
            raise
        self.ready = True

    def close(self):
        """Close the socket; nothing when it is closed."""
        if self.sock:
            self.poll.unregister(self.sock)
            if self.poller:
                self.poller.unregister(self.sock)
            self.sock.close()
            self.sock = None
            self.ready = False

    def step(self):
        """Nothing is ever due."""
        return _NEVER_MS

    def receive(self):
        """Take one datagram: its length (1281: it was longer), with the bytes in `data`; -1 when
        none waits.

        Raises OSError, ECONNREFUSED for one when nothing listens at the other end, and
        MemoryError for a datagram that is lost because there is no room for it.
        Allocates: the datagram; nothing when none waits.
        """
        sock = self.sock
        if not sock:
            return -1
        for _ in self.poll.ipoll(0):
            try:
                self.data = data = sock.recv(_LONGEST + 1)
            except MemoryError:
                sock.read(1)  # It is lost, and not in the way of the next one.
                raise
            n = len(data)
            if n:
                self.deaf = False
            elif self.deaf:
                # Some ports mark the socket closed after an empty datagram and stay deaf: then
                # the next read is empty too.
                self.open(self.poller)
                self.renewals += 1
            else:
                self.deaf = True
            return n
        return -1

    def send(self, buf, n):
        """Send `buf[:n]` as one datagram. Raises OSError. Allocates: nothing."""
        if self.sock:
            self.sock.write(buf, n)


def register(poll, sock):
    """Have `poll` look at `sock`. Without memory MicroPython leaves a half of it behind, which the
    next look would crash at: so it is tried again."""
    for _ in range(16):
        try:
            poll.register(sock, select.POLLIN)
            return
        except MemoryError:
            gc.collect()
    raise MemoryError
