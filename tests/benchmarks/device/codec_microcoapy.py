"""The same four operations as in codec.py, the way microCoAPy's own `Coap` does them."""

from microcoapy import coap_macros as macros
from microcoapy.coap_packet import CoapPacket
from microcoapy.coap_reader import parsePacketHeaderInfo, parsePacketOptionsAndPayload
from microcoapy.coap_writer import writePacketHeaderInfo, writePacketOptions, writePacketPayload

TOKEN = b"\x01\x02\x03\x04"
TEXT = b"twenty bytes of text"

received = [b"", b""]


def _write(packet):
    buffer = bytearray()
    writePacketHeaderInfo(buffer, packet)
    writePacketOptions(buffer, packet)
    writePacketPayload(buffer, packet)
    return buffer


def encode_get():
    packet = CoapPacket()
    packet.type = macros.COAP_TYPE.COAP_CON
    packet.method = macros.COAP_METHOD.COAP_GET
    packet.token = TOKEN
    packet.payload = None
    packet.messageid = 0x1234
    packet.setUriPath("3/0/0")
    return _write(packet)


def encode_content():
    packet = CoapPacket()
    packet.type = macros.COAP_TYPE.COAP_ACK
    packet.method = macros.COAP_RESPONSE_CODE.COAP_CONTENT
    packet.token = TOKEN
    packet.payload = TEXT
    packet.messageid = 0x1234
    option = bytearray(2)
    packet.addOption(macros.COAP_OPTION_NUMBER.COAP_CONTENT_FORMAT, option)
    return _write(packet)


def _read(buffer):
    packet = CoapPacket()
    parsePacketHeaderInfo(buffer, packet)
    packet.token = buffer[4 : 4 + packet.tokenLength]
    parsePacketOptionsAndPayload(buffer, packet)
    return packet


def decode_get():
    return _read(received[0])


def decode_content():
    return _read(received[1])


def verify(get, content):
    """It reorders the segments of a path, so of its GET only the length is looked at."""
    received[0] = get
    received[1] = content
    if len(encode_get()) != len(get) or encode_content()[-20:] != TEXT:
        raise ValueError("what microCoAPy builds is not the message")
    if len(decode_get().options) != 3 or decode_content().payload != TEXT:
        raise ValueError("what microCoAPy parses is not the message")
