"""What the interpreter can do at most: sends every datagram back. `echo.py HOST PORT`."""

import select
import socket
import sys

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect(socket.getaddrinfo(sys.argv[1], int(sys.argv[2]))[0][-1])
sock.setblocking(False)
poll = select.poll()
poll.register(sock, select.POLLIN)
sock.write(b"here")


def main():
    while True:
        for _ in poll.ipoll(10000):
            sock.write(sock.recv(1280))


main()
