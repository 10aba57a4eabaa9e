"""The objects that come along: Security, Server, Device and the IPSO sensors."""

import gc
import time

from bench import Bench
from testing import SkipTest, eq, raises
from wire import (
    CHANGED,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    DELETE,
    DELETED,
    GET,
    POST,
    PUT,
    TEXT,
    TLV,
    URI_QUERY,
    encode,
    segments,
)

from lwm2m.objects.base import Object
from lwm2m.objects.checks import check_table
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Humidity, Temperature
from lwm2m.objects.security import Security
from lwm2m.objects.server import Server
from lwm2m.types import INT, STR, R

BAD_REQUEST, UNAUTHORIZED, NOT_FOUND, NOT_ALLOWED, NOT_IMPLEMENTED = 0x80, 0x81, 0x84, 0x85, 0xA1


def with_device(**values):
    bench = Bench()
    bench.device = bench.client.add(Device(**values))
    return bench.registered()


def text(bench, path):
    answer = bench.ask(GET, path, accept=TEXT)
    eq((path, answer.code), (path, CONTENT))
    return answer.payload.decode()


def code(bench, method, path, payload=b"", format=-1):
    return bench.ask(method, path, payload, format=format).code


def test_tables_of_all_objects_are_sound():
    for cls in (Security, Server, Device, Temperature, Humidity):
        check_table(cls)
        rids = [cls.RESOURCES[i] for i in range(0, len(cls.RESOURCES), 3)]
        eq(len(rids), len(set(rids)))


def test_unknown_keyword_is_refused():
    raises(ValueError, Device, manufacturer="x", nonsense=1)
    raises(ValueError, Temperature, units="Cel")
    eq(Temperature(iid=3).iid, 3)


# Security (0)


def test_security_is_never_read_nor_written():
    bench = Bench().registered()
    for rid in (0, 2, 3, 5, 10):
        for method in (GET, PUT, POST):
            payload = b"1" if method != GET else b""
            answer = bench.ask(method, "/0/0/%d" % rid, payload, format=TEXT if payload else -1)
            eq((answer.code, answer.payload), (UNAUTHORIZED, b"/0/0/%d: no right to it" % rid))
    eq(code(bench, GET, "/0"), UNAUTHORIZED)
    eq(code(bench, GET, "/0/0"), UNAUTHORIZED)


# Server (1)


def test_server_resources():
    bench = Bench(lifetime_s=300).registered()
    eq(text(bench, "/1/0/0"), "1")
    eq(text(bench, "/1/0/1"), "300")
    eq(text(bench, "/1/0/5"), "86400")
    eq(text(bench, "/1/0/6"), "0")
    eq(text(bench, "/1/0/7"), "U")
    for rid in (2, 3, 10, 11, 21, 22, 23):
        eq((rid, code(bench, GET, "/1/0/%d" % rid)), (rid, NOT_FOUND))
    for rid in (4, 8, 9):
        eq((rid, code(bench, GET, "/1/0/%d" % rid)), (rid, NOT_ALLOWED))


def test_short_server_id_is_read_only():
    eq(code(Bench().registered(), PUT, "/1/0/0", b"5", TEXT), NOT_ALLOWED)


def updated(bench, packets):
    """The queries of the one Update among `packets`, which is answered."""
    eq(len(packets), 1)
    eq((packets[0].code, packets[0].path()), (POST, b"/rd/5a3f"))
    bench.far.reply(packets[0], CHANGED)
    return packets[0].all(URI_QUERY)


def test_written_lifetime_is_told_to_the_server():
    bench = Bench(lifetime_s=300).registered()
    bench.far.end.queue.clear()
    answers = write_and_collect(bench, "/1/0/1", b"60")
    eq(updated(bench, answers)[:1], [b"lt=60"])
    eq(text(bench, "/1/0/1"), "60")
    # From now on the new lifetime counts.
    sent = bench.watch(61)
    assert sent, "no Update within the new lifetime"
    eq(sent[0][1].all(URI_QUERY), [])


def write_and_collect(bench, path, payload, format=TEXT):
    """Write; returns what the client sends on its own afterwards."""
    far = bench.far
    before = far.mid
    answer = None
    sent = []
    far.mid = before + 1
    options = segments(path) + [(CONTENT_FORMAT, format)]
    for packet in far.send(encode(CON, PUT, far.mid, b"w", options, payload)):
        if packet.token == b"w":
            answer = packet
        else:
            sent.append(packet)
    eq(answer.code, CHANGED)
    bench.client.step()
    return sent + far.take()


def test_same_lifetime_again_is_no_reason_for_terms():
    bench = Bench(lifetime_s=300).registered()
    eq(updated(bench, write_and_collect(bench, "/1/0/1", b"300")), [])


def test_lifetime_that_cannot_be_is_refused():
    bench = Bench(lifetime_s=300).registered()
    for payload in (b"-1", b"18446744073709551615", b"4294967296", b"x"):
        eq((payload, code(bench, PUT, "/1/0/1", payload, TEXT)), (payload, BAD_REQUEST))
    eq(text(bench, "/1/0/1"), "300")


def test_written_binding_is_told_to_the_server():
    bench = Bench(lifetime_s=300).registered()
    queries = updated(bench, write_and_collect(bench, "/1/0/7", b"UQ"))
    assert b"b=U" in queries and b"Q" in queries, queries


def test_binding_that_is_not_there_is_refused():
    bench = Bench().registered()
    for payload in (b"", b"S", b"T", b"US", b"Q", b"u", b"UU"):
        eq((payload, code(bench, PUT, "/1/0/7", payload, TEXT)), (payload, BAD_REQUEST))
    eq(text(bench, "/1/0/7"), "U")


def test_registration_update_trigger():
    bench = Bench().registered()
    answers = bench.far.send(request(bench, POST, "/1/0/8"))
    eq(answers[0].code, CHANGED)
    bench.client.step()
    eq(updated(bench, answers[1:] + bench.far.take()), [])


def request(bench, method, path, payload=b""):
    bench.far.mid += 1
    return encode(CON, method, bench.far.mid, b"q", segments(path), payload)


def test_bootstrap_request_trigger_is_refused_without_bootstrap():
    assert code(Bench().registered(), POST, "/1/0/9") >= 0x80


def disabled(timeout_s=None):
    """A client that was told to Disable, and has de-registered."""
    bench = Bench()
    if timeout_s:
        bench.server.disable_timeout_s = timeout_s
    bench.registered()
    answers = bench.far.send(request(bench, POST, "/1/0/4"))
    eq(answers[0].code, CHANGED)
    bench.advance(250)  # the server has had the answer by then
    answers = answers[1:] + bench.far.take()
    eq([(p.code, p.path()) for p in answers], [(DELETE, b"/rd/5a3f")])
    eq(bench.far.reply(answers[0], DELETED), [])
    eq(bench.events[-1], "deregistered")
    return bench


def test_disable_deregisters_and_registers_after_the_timeout():
    bench = disabled(600)
    location = [(8, b"rd"), (8, b"5a3f")]
    sent = bench.watch(1200, answer=lambda packet: bench.far.reply(packet, 0x41, location))
    eq(len(sent), 1)
    at_ms, packet = sent[0]
    eq((packet.code, packet.path()), (POST, b"/rd"))
    assert 600000 <= at_ms <= 602000, at_ms
    assert bench.client.registered


def test_disable_for_a_day_by_default():
    bench = disabled()
    sent = bench.watch(100000)
    assert 86400000 <= sent[0][0] <= 86402000, sent[0]


def test_disabled_client_has_not_ended():
    bench = disabled(600)
    assert not bench.client.ended
    assert not bench.client.registered


def test_leave_while_disabled_ends():
    bench = disabled(600)
    bench.client.deregister()
    bench.client.step()
    assert bench.client.ended
    eq(bench.watch(2000), [])


def test_leave_right_after_disable_ends():
    for deregister in (True, False):
        bench = Bench().registered()
        bench.server.disable()
        bench.client.deregister(deregister)
        bench.client.step()
        for packet in bench.far.take():
            bench.far.reply(packet, DELETED)
        bench.client.step()
        assert bench.client.ended, "registers again although it was told to leave"
        eq(bench.watch(100000), [])


def test_disable_whose_deregistration_is_lost_still_registers_again():
    bench = Bench()
    bench.server.disable_timeout_s = 600
    bench.registered()
    bench.server.disable()
    sent = bench.watch(1200)
    registers = [at for at, p in sent if p.code == POST and p.path() == b"/rd"]
    assert registers and 600000 <= registers[0] <= 720000, registers


# Device (3)


def test_device_resources():
    bench = with_device(
        manufacturer="Acme", model="T-1000", serial="1", battery_level=80, power_sources=(1, 5)
    )
    eq(text(bench, "/3/0/0"), "Acme")
    eq(text(bench, "/3/0/1"), "T-1000")
    eq(text(bench, "/3/0/2"), "1")
    eq(text(bench, "/3/0/9"), "80")
    eq(text(bench, "/3/0/6/1"), "5")
    eq(text(bench, "/3/0/11/0"), "0")
    eq(text(bench, "/3/0/16"), "U")
    for rid in (3, 7, 8, 15, 17, 18, 19, 20, 22):
        eq((rid, code(bench, GET, "/3/0/%d" % rid)), (rid, NOT_FOUND))


def test_reboot_happens_after_the_answer_and_a_delay():
    calls = []
    bench = with_device(reboot=lambda: calls.append(bench.clock.s))
    eq(code(bench, POST, "/3/0/4"), CHANGED)
    eq(calls, [])
    bench.advance(1000)
    eq(calls, [])
    for _ in range(10):
        bench.advance(1000)
    eq(len(calls), 1)
    assert 2 <= calls[0] <= 10, calls


def test_step_asks_to_be_woken_for_the_reboot():
    bench = with_device(reboot=lambda: None)
    eq(code(bench, POST, "/3/0/4"), CHANGED)
    assert 0 < bench.client.step() <= 5000


def test_repeated_reboot_request_reboots_once():
    calls = []
    bench = with_device(reboot=lambda: calls.append(1))
    for _ in range(3):
        eq(bench.ask(POST, "/3/0/4", mid=77).code, CHANGED)
    for _ in range(10):
        bench.advance(1000)
    eq(calls, [1])


def test_reboot_that_raises_leaves_the_loop_alive():
    def reboot():
        raise OSError(5)

    bench = with_device(reboot=reboot, manufacturer="Acme")
    eq(code(bench, POST, "/3/0/4"), CHANGED)
    for _ in range(6):
        bench.advance(1000)
    eq(text(bench, "/3/0/0"), "Acme")


def test_reboot_without_a_function_is_5_01():
    bench = with_device()
    eq(code(bench, POST, "/3/0/4"), NOT_IMPLEMENTED)
    eq(code(bench, POST, "/3/0/5"), NOT_IMPLEMENTED)


def test_factory_reset():
    calls = []
    bench = with_device(factory_reset=lambda: calls.append("reset"))
    eq(code(bench, POST, "/3/0/5"), CHANGED)
    eq(calls, [])
    for _ in range(6):
        bench.advance(1000)
    eq(calls, ["reset"])


def codes(bench):
    payload = bench.ask(GET, "/3/0/11", accept=TLV).payload
    return sorted(payload[i + 2] for i in range(2, len(payload), 3))


def test_error_codes_are_added_and_reset():
    bench = with_device()
    eq(codes(bench), [0])
    bench.device.report_error(1)
    eq(codes(bench), [1])
    bench.device.report_error(5)
    bench.device.report_error(1)
    eq(codes(bench), [1, 5])
    eq(code(bench, POST, "/3/0/12"), CHANGED)
    eq(codes(bench), [0])
    bench.device.report_error(3)
    bench.device.report_error(0)
    eq(codes(bench), [0])


def test_memory():
    bench = with_device()
    total = int(text(bench, "/3/0/21"))
    free = int(text(bench, "/3/0/10"))
    eq(abs(total - (gc.mem_free() + gc.mem_alloc()) // 1024) <= 1, True)
    assert 0 < free < total, (free, total)


def unix_time():
    now = int(time.time())
    return now + (946684800 if time.gmtime(0)[0] == 2000 else 0)


def test_current_time_counts_from_1970():
    bench = with_device()
    assert abs(int(text(bench, "/3/0/13")) - unix_time()) <= 2


def test_current_time_can_be_set():
    bench = with_device()
    for seconds in (0, 1000000000, 1893456000, 4102444800):
        eq(code(bench, PUT, "/3/0/13", str(seconds).encode(), TEXT), CHANGED)
        assert 0 <= int(text(bench, "/3/0/13")) - seconds <= 2, text(bench, "/3/0/13")
    eq(code(bench, PUT, "/3/0/13", b"\xc4\x0d\x70\xdb\xd8\x80", TLV), CHANGED)
    assert 0 <= int(text(bench, "/3/0/13")) - 1893456000 <= 2


def test_current_time_set_goes_on():
    bench = with_device()
    if int(time.time()) == 0:
        raise SkipTest("no clock")
    eq(code(bench, PUT, "/3/0/13", b"1000", TEXT), CHANGED)
    time.sleep_ms(1100)
    assert 1001 <= int(text(bench, "/3/0/13")) <= 1003


def test_utc_offset():
    bench = with_device()
    for good in ("Z", "+02", "+02:00", "-0530", "+05:45", "-12:00", "+14:00", "+00:00"):
        eq((good, code(bench, PUT, "/3/0/14", good.encode(), TEXT)), (good, CHANGED))
        eq(text(bench, "/3/0/14"), good)


def test_utc_offset_that_is_none_is_refused():
    bench = with_device()
    eq(code(bench, PUT, "/3/0/14", b"+02:00", TEXT), CHANGED)
    for bad in (
        "",
        "02:00",
        "+2",
        "+2:00",
        "+02:0",
        "+02:",
        "+02:000",
        "+020",
        "+02000",
        "+24:00",
        "+02:60",
        "UTC+2",
        "++02",
        "+02:00 ",
        " +02:00",
        "+:0200",
        "+0:200",
        "+02::00",
        "ZZ",
        "z",
        "+aa:bb",
        "+-1:00",
    ):
        eq((bad, hex(code(bench, PUT, "/3/0/14", bad.encode(), TEXT))), (bad, hex(BAD_REQUEST)))
    eq(text(bench, "/3/0/14"), "+02:00")


def test_timezone_is_written():
    bench = with_device()
    eq(code(bench, PUT, "/3/0/15", b"Europe/Berlin", TEXT), CHANGED)
    eq((text(bench, "/3/0/15"), bench.device.timezone), ("Europe/Berlin", "Europe/Berlin"))


def test_whole_device_is_read_and_discovered():
    bench = with_device(manufacturer="Acme", reboot=lambda: None)
    answer = bench.ask(GET, "/3/0", accept=TLV)
    eq(answer.code, CONTENT)
    assert answer.payload.startswith(b"\xc4\x00Acme"), answer.payload
    links = bench.ask(GET, "/3/0", accept=40).payload
    assert b"</3/0/4>" in links and b"</3/0/5>" not in links, links


def test_replacing_write_of_the_device_keeps_its_clock():
    bench = with_device()
    eq(code(bench, PUT, "/3/0", b"\xc1\x0eZ", TLV), CHANGED)
    assert abs(int(text(bench, "/3/0/13")) - unix_time()) <= 2
    eq(text(bench, "/3/0/14"), "Z")
    eq(code(bench, GET, "/3/0/15"), NOT_FOUND)


# IPSO sensors


def with_sensor(cls=Temperature, **values):
    bench = Bench()
    bench.sensor = bench.client.add(cls(**values))
    return bench.registered()


def test_temperature_and_humidity():
    for cls, oid in ((Temperature, 3303), (Humidity, 3304)):
        bench = with_sensor(cls, unit="Cel")
        bench.sensor.value = 21.5
        eq(text(bench, "/%d/0/5700" % oid), "21.5")
        eq(text(bench, "/%d/0/5701" % oid), "Cel")


def test_extremes_follow_the_value():
    bench = with_sensor()
    for value in (20.0, 25.0, 15.0, 18.0):
        bench.sensor.value = value
    eq(
        [text(bench, "/3303/0/%d" % rid) for rid in (5700, 5601, 5602)],
        ["18.0", "15.0", "25.0"],
    )


def test_extremes_do_not_exist_before_the_first_value():
    bench = with_sensor()
    eq(code(bench, GET, "/3303/0/5601"), NOT_FOUND)
    eq(code(bench, GET, "/3303/0/5602"), NOT_FOUND)


def test_extremes_below_zero():
    bench = with_sensor()
    bench.sensor.value = -5.0
    eq([text(bench, "/3303/0/%d" % rid) for rid in (5601, 5602)], ["-5.0", "-5.0"])


def test_reset_of_the_extremes():
    bench = with_sensor()
    for value in (20.0, 25.0, 15.0, 18.0):
        bench.sensor.value = value
    eq(code(bench, POST, "/3303/0/5605"), CHANGED)
    eq([text(bench, "/3303/0/%d" % rid) for rid in (5601, 5602)], ["18.0", "18.0"])
    eq(code(bench, POST, "/3303/0/5605", b"0='x'"), CHANGED)


def test_range_and_application():
    bench = with_sensor(min_range=-40.0, max_range=125.0)
    eq([text(bench, "/3303/0/%d" % rid) for rid in (5603, 5604)], ["-40.0", "125.0"])
    eq(code(bench, PUT, "/3303/0/5750", b"cellar", TEXT), CHANGED)
    eq(bench.sensor.application, "cellar")
    eq(code(bench, PUT, "/3303/0/5700", b"1", TEXT), NOT_ALLOWED)


# Definitions


def test_check_table_finds_mistakes():
    class Short(Object):
        OID = 1
        RESOURCES = (0, INT | R)

    class Named(Object):
        OID = 1
        RESOURCES = (0, INT | R, "read")

    class Swapped(Object):
        OID = 1
        RESOURCES = (0, "name", STR | R)

    class Unnumbered(Object):
        RESOURCES = ()

    for cls in (Short, Named, Swapped, Unnumbered):
        raises(ValueError, check_table, cls)
