"""A fixed local port for UDP. Loaded with the first account that has one.

A server finds the device again after a restart under the address that it knew, and a firewall or a
port forwarding can name it. Each account needs a port of its own.
"""

import socket


class LocalPort:
    """Binds sockets to `port`, on all addresses of the device."""

    def __init__(self, port):
        self.port = port

    def bind(self, sock, family):
        """Bind `sock`, of the address family `family`. Raises OSError if the port is taken."""
        host = "0.0.0.0" if family == socket.AF_INET else "::"
        sock.bind(socket.getaddrinfo(host, self.port)[0][-1])
