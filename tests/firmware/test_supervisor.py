"""A client and the network below it: what goes on while there is none."""

from bench import Bench
from testing import eq
from wire import CON, CONTENT, GET, OBSERVE

from lwm2m.objects.ipso import Temperature
from lwm2m.supervisor import Supervisor


class Link:
    """A network that is there when the test says so."""

    up = True
    renewals = 0

    def renew(self):
        self.renewals += 1

    def step(self):
        return 500


class Stage:
    """A registered device whose temperature is observed, with values stored or not."""

    def __init__(self, storing):
        self.bench = bench = Bench(storing=storing)
        self.sensor = bench.client.add(Temperature(unit="Cel"))
        bench.registered()
        self.supervisor = Supervisor(bench.client, {})
        self.supervisor.link = self.link = Link()
        answer = bench.far.ask(GET, "/3303/0/5700", options=[(OBSERVE, b"")])
        eq((answer.code, answer.uint(OBSERVE)), (CONTENT, 1))

    def put(self, value, s=10):
        """Set the value, and let time pass as main.py does."""
        self.sensor.value = value
        for _ in range(s * 2):
            due = self.supervisor.step()
            assert due <= 500
            self.bench.clock.advance(500)
        return self.bench.far.take()


def told(packets):
    return [float(packet.payload) for packet in packets if packet.code == CONTENT]


def test_values_are_kept_while_there_is_no_network():
    stage = Stage(storing=True)
    stage.link.up = False
    for value in (20.0, 21.0, 22.0):
        eq(stage.put(value), [])
    stage.link.up = True
    heard = []
    waiting = stage.put(22.0, s=1)
    while waiting:
        packet = waiting.pop(0)
        eq(packet.type, CON)
        heard.append(packet)
        ack = bytes((0x60, 0, packet.mid >> 8, packet.mid & 255))
        waiting += stage.bench.far.send(ack) + stage.put(22.0, s=1)
    eq(told(heard), [20.0, 21.0, 22.0])


def test_without_storing_the_newest_value_is_told_when_the_network_is_back():
    stage = Stage(storing=False)
    stage.link.up = False
    for value in (20.0, 21.0, 22.0):
        eq(stage.put(value), [])
    stage.link.up = True
    eq(told(stage.put(22.0)), [22.0])


def test_nothing_is_sent_while_there_is_no_network():
    stage = Stage(storing=True)
    stage.link.up = False
    stage.bench.client.update()
    eq(stage.put(25.0, s=300), [])
    assert stage.bench.client.registered


def failing(answer):
    """A link whose client registers a day long with a server that answers so."""
    bench = Bench()
    supervisor = Supervisor(bench.client, {})
    supervisor.link = link = Link()
    bench.client.on_event = supervisor.report

    def reply(packet):
        if answer:
            bench.far.reply(packet, answer)

    bench.watch(86400, answer=reply, keep=False)
    assert bench.registration.attempts > 20
    return link


def test_network_is_renewed_where_nobody_answers_and_not_where_a_server_refuses():
    assert failing(None).renewals > 4
    for code in (0x83, 0xA3):
        eq(failing(code).renewals, 0)
