"""What both peers share: transports that print every datagram, and bodies that need no memory."""

import hashlib
import select
import socket
from binascii import hexlify

from lwm2m.clock import Clock
from lwm2m.coap.builder import Builder
from lwm2m.coap.message import Message
from lwm2m.transport.udp import Udp


class Context:
    """What `Exchange` wants to be told: memory, time and sizes, made from a configuration."""

    def __init__(self, config):
        mtu = config.get("mtu", 576)
        self.builder = Builder(mtu)
        self.message = Message()
        self.clock = Clock()
        self.nstart = 1
        self.ring = 32
        self.revision = 0
        self.body_limit = config.get("body_limit", 24000)

    def wake(self):
        """Nobody sleeps long here."""


class Body:
    """`n` bytes that can be told from each other, made when they are read."""

    def __init__(self, n):
        self.n = n

    def readinto_at(self, offset, buf):
        for i in range(len(buf)):
            at = offset + i
            buf[i] = (at * 7 + (at >> 8)) & 255


class Digest:
    """What is left of a body that was received: its length, its SHA-256, its beginning."""

    def __init__(self):
        self.n = 0
        self.sha = hashlib.sha256()
        self.head = b""

    def add(self, data):
        if self.n < 80:
            self.head = self.head + bytes(data[: 80 - self.n])
        self.n += len(data)
        self.sha.update(data)

    def hex(self):
        return hexlify(self.sha.digest()).decode()


def show(direction, data):
    print(direction, hexlify(data).decode())


class Sending:
    """Prints what is sent; the datagrams whose numbers are in `lost` (from 0) are only printed."""

    sent = 0
    lost = ()

    def keep(self, buf, n):
        """Whether this datagram is to be sent."""
        number = self.sent
        self.sent += 1
        if number in self.lost:
            show("lost", memoryview(buf)[:n])
            return False
        show("out", memoryview(buf)[:n])
        return True


class LoggedUdp(Udp, Sending):
    """The transport of the product, with a record."""

    def receive(self):
        n = super().receive()
        if n >= 0:
            show("in", self.data)
        return n

    def send(self, buf, n):
        if self.keep(buf, n):
            super().send(buf, n)


class Door:
    """A socket that everyone may write to. `greet(visitor)` makes the Exchange of a new one."""

    def __init__(self, port, greet):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
        self.poll = select.poll()
        self.poll.register(self.sock, select.POLLIN)
        self.greet = greet
        self.visitors = {}

    def receive(self):
        """Hand one datagram to the Exchange of whom it came from: whether there was one."""
        for _ in self.poll.ipoll(0):
            data, address = self.sock.recvfrom(1280)
            show("in", data)
            visitor = self.visitors.get(address)
            if not visitor:
                self.visitors[address] = visitor = Visitor(self.sock, address)
                visitor.exchange = self.greet(visitor)
            visitor.data = data
            visitor.waiting = True
            visitor.exchange.poll()
            return True
        return False

    def step(self):
        """Do what is due: milliseconds until the next thing."""
        due = 3600000
        for visitor in self.visitors.values():
            due = min(due, visitor.exchange.step())
        return due


class Visitor(Sending):
    """The transport to one of those behind a Door."""

    def __init__(self, sock, address):
        self.sock = sock
        self.address = address
        self.data = b""
        self.waiting = False
        self.exchange = None

    def receive(self):
        if not self.waiting:
            return -1
        self.waiting = False
        return len(self.data)

    def send(self, buf, n):
        if self.keep(buf, n):
            self.sock.sendto(memoryview(buf)[:n], self.address)
