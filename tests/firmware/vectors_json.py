"""Payloads in LwM2M JSON: a whole instance, malformed ones, and a writer of records."""

from format_checks import single

from lwm2m.formats.json import Json
from lwm2m.types import MULTI

CODEC = Json()

# The example of LwM2M 1.0 §6.4.4, with another object id
WHOLE = (
    b'{"bn":"/9999/0/","e":['
    b'{"n":"0","sv":"Open Mobile Alliance"},'
    b'{"n":"1","sv":"Lightweight M2M Client"},'
    b'{"n":"2","sv":"345000123"},'
    b'{"n":"3","sv":"1.0"},'
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
    b'{"n":"14","sv":"+02:00"},'
    b'{"n":"16","sv":"U"}]}'
)

BAD = [
    b"",
    b"{}",
    b"[]",
    b"{",
    b'{"bn":"/9999/0/5"}',
    b'{"bn":"/9999/0/5","e":{}}',
    b'{"bn":"/9999/0/5","e":7}',
    b'{"bn":"/9999/0/5","e":null}',
    b'{"bn":"/9999/0/5","e":[{"v":7}]} x',
    b'{"bn":"/9999/0/5","e":[{"v":7}],}',
    b'{"bn":"/9999/0/5","e":[{"v":7},]}',
    b'{"bn":"/9999/0/5","e":[{"v":7}}',
    b'{"bn":"/9999/0/5","e":[{"v":7}',
    b'{"bn":"/9999/0/5","e":[{"v":7,"v":7}]}',
    b'{"bn":"/9999/0/5","e":[{"v":7,"sv":"7"}]}',
    b'{"bn":"/9999/0/5","e":[{}]}',
    b'{"bn":"/9999/0/5","e":[7]}',
    b'{"bn":"/9999/0/5","e":[{"n":"","t":1}]}',
    b'{"bn":"/9999/0/5","e":[{"v":7,"t":"x"}]}',
    b'{"bn":"/9999/0/5","bt":"x","e":[{"v":7}]}',
    b'{"bn":"/9999/0/5","bn":"/9999/0/5","e":[{"v":7}]}',
    b'{"bn":"/9999/0/5","e":[],"e":[{"v":7}]}',
    b'{"bn":5,"e":[{"v":7}]}',
    b'{"bn":"/9998/0/5","e":[{"v":7}]}',
    b'{"bn":"9999/0/5","e":[{"v":7}]}',
    b'{"bn":"/9999/0/5","e":[{"n":"/5","v":7,"x_":1}]}',
    b'{"e":' * 300,
    b'{"x":' + b"[" * 300 + b"]" * 300 + b',"e":[{"n":"","v":7}]}',
]


def records(values):
    out = []
    for rid, flags, value in values:
        items = sorted(value) if flags & MULTI else (-1,)
        for riid in items:
            b = single(CODEC, flags & ~MULTI, value[riid] if flags & MULTI else value)
            name = b"%d/%d" % (rid, riid) if riid >= 0 else b"%d" % rid
            out.append(b'{"n":"' + name + b'",' + b[24:-2])
    return b'{"bn":"/9999/0/","e":[' + b",".join(out) + b"]}"
