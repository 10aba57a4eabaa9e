"""microCoAPy as a server. Its argument is a file with a JSON object: `port`."""

import json
import sys

import microcoapy
from microcoapy_socket import Socket

CONTENT, CHANGED, NO_FORMAT, TEXT = 0x45, 0x44, -1, 0

with open(sys.argv[1]) as file:
    config = json.load(file)
server = microcoapy.Coap()
server.debug = False
sock = Socket(config["port"])
server.setCustomSocket(sock)
state = {"count": 0, "stored": b""}


def respond(packet, ip, port, code, payload):
    server.sendResponse(ip, port, packet.messageid, payload, code, TEXT, packet.token)


def small(packet, ip, port):
    respond(packet, ip, port, CONTENT, "hello")


def store(packet, ip, port):
    if packet.method == 1:
        respond(packet, ip, port, CONTENT, state["stored"])
    else:
        state["stored"] = bytes(packet.payload or b"")
        respond(packet, ip, port, CHANGED, None)


def count(packet, ip, port):
    if packet.method != 1:
        state["count"] += 1
    respond(packet, ip, port, CONTENT, str(state["count"]))


server.addIncomingRequestCallback("small", small)
server.addIncomingRequestCallback("a/b/c", small)
server.addIncomingRequestCallback("store", store)
server.addIncomingRequestCallback("count", count)
print("ready")
while True:
    if sock.wait(1000):
        server.loop(False)
