"""Payloads in SenML JSON: a whole instance, malformed ones, and a writer of records."""

from format_checks import single

from lwm2m.formats.senml_json import SenmlJson
from lwm2m.types import MULTI

CODEC = SenmlJson()

# The example of LwM2M 1.1 Core §7.4.5, with another object id
WHOLE = (
    b'[{"bn":"/9999/0/","n":"0","vs":"Open Mobile Alliance"},'
    b'{"n":"1","vs":"Lightweight M2M Client"},'
    b'{"n":"2","vs":"345000123"},'
    b'{"n":"3","vs":"1.0"},'
    b'{"n":"6/0","v":1},'
    b'{"n":"6/1","v":5},'
    b'{"n":"7/0","v":3800},'
    b'{"n":"7/1","v":5000},'
    b'{"n":"8/0","v":125},'
    b'{"n":"8/1","v":900},'
    b'{"n":"9","v":100},'
    b'{"n":"10","v":15},'
    b'{"n":"11/0","v":0},'
    b'{"n":"13","v":1367491215},'
    b'{"n":"14","vs":"+02:00"},'
    b'{"n":"16","vs":"U"}]'
)


def one(value, n='"n":"/9999/0/5"'):
    return ("[{%s,%s}]" % (n, value)).encode()


BAD = [
    one('"v":7,"v":8'),
    one('"v":7', '"n":"/9999/0/5","n":"/9999/0/5"'),
    one('"v":7,"vs":"x"'),
    one('"v":7,"vlo":"1:1"'),
    one('"v":7,"foo_":1'),
    one('"v":7,"bv":1'),
    one('"v":7,"bs":1'),
    one('"v":7,"t":"now"'),
    one('"v":7,"bt":null'),
    one('"v":7,"bver":"10"'),
    one('"v":7', '"n":5'),
    one('"v":7', '"bn":null'),
    one('"s":7'),
    one('"u":"x"'),
    b'[{"v":7}]',
    b"[{}]",
    b"[[]]",
    b"[7]",
    b'["n"]',
    b"{}",
    b"7",
    b"",
    b" ",
    b"[",
    b'{"n":"/9999/0/5","v":7}',
    b'[{"n":"/9999/0/5","v":7},]',
    b'[{"n":"/9999/0/5","v":7,}]',
    b'[,{"n":"/9999/0/5","v":7}]',
    b'[{,"n":"/9999/0/5","v":7}]',
    b'[{"n":"/9999/0/5" "v":7}]',
    b'[{"n":"/9999/0/5";"v":7}]',
    b'[{"n" "/9999/0/5","v":7}]',
    b'[{"n":,"v":7}]',
    b"[{'n':'/9999/0/5','v':7}]",
    b'[{n:"/9999/0/5",v:7}]',
    b'[{"n":"/9999/0/5","v":7}]]',
    b'[{"n":"/9999/0/5","v":7}]x',
    b'[{"n":"/9999/0/5","v":7}}',
    b'[{"n":"/9999/0/5","v":7]]',
    b'[{"n":"/9999/0/5","v":7}{"n":"/9999/0/5","v":7}]',
    b'\xef\xbb\xbf[{"n":"/9999/0/5","v":7}]',
    b'[{"n":"/9999/0/5","v":7,"x":tru}]',
    b'[{"n":"/9999/0/5","v":7,"x":True}]',
    b'[{"n":"/9999/0/5","v":7,"x":nul',
    b'[{"n":"/9999/0/5","v":7,"x":[1 2]}]',
    b'[{"n":"/9999/0/5","v":7,"x":{"a"}}]',
    b'[{"n":"/9999/0/5","v":7,"x":{1:2}}]',
    b'[{"n":"/9999/0/5","v":7,"x":"\\q"}]',
    b'[{"n":"/9999/0/5","v":7,"x":01}]',
    b"[" * 2000,
    b'[{"x":' * 500,
    b'[{"x":' + b"[" * 500 + b"]" * 500 + b',"n":"/9999/0/5","v":7}]',
] + [
    one('"v":7', '"n":"%s"' % name)
    for name in (
        "",
        "/",
        "5",
        "9999/0/5",
        "/9999/0",
        "/9999/0/",
        "/9999/0//5",
        "/9999/0/5//",
        "/9999/0/05",
        "/9999/0/+5",
        "/9999/0/-5",
        "/9999/0/65536",
        "/9999/0/99999999999999999999",
        "/9999/0/5/0/0",
        "/9998/0/5",
        "urn:dev:1/9999/0/5",
    )
]


def records(values):
    out = b""
    for rid, flags, value in values:
        items = sorted(value) if flags & MULTI else (-1,)
        for riid in items:
            b = single(CODEC, flags & ~MULTI, value[riid] if flags & MULTI else value)
            name = b"%d/%d" % (rid, riid) if riid >= 0 else b"%d" % rid
            out += b',{"n":"' + name + b'",' + b[19:-1]
    return b'[{"bn":"/9999/0/"}' + out + b"]"
