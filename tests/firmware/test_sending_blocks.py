# replaces time
"""Send (LwM2M 1.1 Core §6.4.6) of what does not fit into one datagram (RFC 7959)."""

from reporting_bench import SENML_CBOR, SENML_JSON
from sending_bench import BLOCK1, LEVEL, LOCATION, Blob, Stage
from storing_bench import EPOCH_S, pack
from testing import eq
from wire import CHANGED, CONTENT_FORMAT, CREATED, POST

from lwm2m.formats.senml_cbor import SenmlCbor
from lwm2m.formats.senml_json import SenmlJson
from lwm2m.reporting.send import SendRequest


def collect(stage, packet):
    """Take a Send in blocks as a server does: (payload, the last packet)."""
    payload = b""
    number = 0
    while True:
        block = packet.uint(BLOCK1)
        eq((block >> 4, packet.path(), packet.code), (number, b"/dp", POST))
        eq(packet.uint(CONTENT_FORMAT) in (SENML_CBOR, SENML_JSON), True)
        length = 16 << (block & 7)
        assert len(packet.payload) == length or not block & 8
        payload += packet.payload
        if not block & 8:
            return payload, packet
        packets = stage.far.reply(packet, 0x5F, [(BLOCK1, block)])
        number += 1
        packet = stage.only(packets + stage.step())


def test_large_send_leaves_in_blocks():
    for mtu in (128, 256, 576):
        for codec in (SenmlCbor(), SenmlJson()):
            stage = Stage(codec, mtu=mtu, register=False)
            text = "".join(chr(97 + i % 26) for i in range(2000))
            stage.client.add(Blob(text=text))
            register_in_blocks(stage)
            report = stage.client.send("/26252/0/1", LEVEL)
            packet = stage.only(stage.step())
            payload, last = collect(stage, packet)
            eq(pack(payload, codec.FORMAT), [(None, "/26252/0/1", text), (None, LEVEL, 20.0)])
            stage.far.reply(last, CHANGED, [(BLOCK1, last.uint(BLOCK1))])
            eq(report.results, {1: True})
            eq(stage.bench.watch(300), [])


def test_long_history_leaves_in_blocks():
    stage = Stage(mtu=128, register=False)
    register_in_blocks(stage)
    report = SendRequest(stage.client)
    wanted = []
    for i in range(60):
        stage.probe.level = 20.25 + i
        report.add(LEVEL)
        wanted.append((EPOCH_S * 1000 + stage.bench.now_ms(), LEVEL, 20.25 + i))
        stage.step(1500)
    report.send()
    payload, last = collect(stage, stage.only(stage.step()))
    eq(pack(payload, SENML_CBOR), wanted)
    stage.far.reply(last, CHANGED, [(BLOCK1, last.uint(BLOCK1))])
    eq(report.results, {1: True})


def test_large_send_that_the_server_refuses():
    stage = Stage(mtu=128, register=False)
    stage.client.add(Blob(text="x" * 1000))
    register_in_blocks(stage)
    report = stage.client.send("/26252/0/1")
    packet = stage.only(stage.step())
    stage.far.reply(packet, 0x8D)
    eq(report.results, {1: 0x8D})
    eq(stage.bench.watch(300), [])


def test_large_values_do_not_change_while_they_leave():
    stage = Stage(mtu=128, register=False)
    blob = stage.client.add(Blob(text="a" * 600))
    register_in_blocks(stage)
    stage.client.send("/26252/0/1")
    packet = stage.only(stage.step())
    blob.text = "b" * 700
    payload, _ = collect(stage, packet)
    eq(pack(payload, SENML_CBOR), [(None, "/26252/0/1", "a" * 600)])


def register_in_blocks(stage):
    """Let a client register whose list of objects may need blocks."""
    packets = stage.step()
    while not stage.registration.registered:
        packet = stage.only(packets)
        block = packet.uint(BLOCK1)
        options = [(BLOCK1, block)] if block >= 0 else []
        if block >= 0 and block & 8:
            packets = stage.far.reply(packet, 0x5F, options) + stage.step()
        else:
            eq(stage.far.reply(packet, CREATED, LOCATION + options), [])
