"""microCoAPy as a client. Its argument is a file with a JSON object: `port` and `asks`, each with
`method` (a method of its `Coap`), `path`, and if wanted `text`, `format`, `query`, `wait_ms`."""

import json
import sys

import microcoapy
from microcoapy_socket import Socket

with open(sys.argv[1]) as file:
    config = json.load(file)
answers = []


def received(packet, sender):
    answers.append(packet)


client = microcoapy.Coap()
client.debug = False
client.responseCallback = received
sock = Socket()
client.setCustomSocket(sock)
for ask in config["asks"]:
    answers.clear()
    args = ["127.0.0.1", config["port"], ask["path"]]
    if "text" in ask:
        args += [ask["text"], ask.get("query"), ask.get("format", -1)]
    getattr(client, ask["method"])(*args, token=b"tk")
    for _ in range(ask.get("wait_ms", 3000) // 20):
        if sock.wait(20):
            client.loop(False)
        if answers:
            break
    if answers:
        packet = answers[0]
        answer = {
            "code": f"{packet.method >> 5}.{packet.method & 31:02d}",
            "text": bytes(packet.payload or b"").decode(),
            "token": bytes(packet.token or b"").decode(),
        }
    else:
        answer = {"failed": "no answer"}
    print("answer", json.dumps(answer))
# What comes as an answer to its last word
for _ in range(5):
    if sock.wait(20):
        client.loop(False)
