"""The socket that microCoAPy gets, because in the unix port an address is packed bytes: this one
takes and gives (ip, port), as on a board, and prints what passes."""

import select
import socket

from wire import show


class Socket:
    def __init__(self, port=0):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
        self.poll = select.poll()
        self.poll.register(self.sock, select.POLLIN)

    def sendto(self, data, address):
        show("out", data)
        if isinstance(address, tuple):
            address = socket.getaddrinfo(address[0], address[1])[0][-1]
        return self.sock.sendto(data, address)

    def recvfrom(self, n):
        data, packed = self.sock.recvfrom(n)
        show("in", data)
        _, ip, port = socket.sockaddr(packed)
        return data, (".".join(str(b) for b in ip), port)

    def setblocking(self, flag):
        self.sock.setblocking(flag)

    def close(self):
        self.sock.close()

    def wait(self, ms):
        """Whether there is something to receive."""
        for _ in self.poll.ipoll(ms):
            return True
        return False
