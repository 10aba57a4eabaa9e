"""Time and heap of being observed."""

from reporting_bench import COUNT, LEVEL, SENML_JSON, Probe, Stage
from testing import eq, heap_locked
from wire import TEXT, TLV, URI_QUERY

from lwm2m.formats.cbor import Cbor


class Free:
    """The other end of a wire on which nothing is kept: a counter."""

    def __init__(self, near):
        self.count = 0
        near.peer = self
        self.queue = self

    def append(self, datagram):
        pass


def locked(name, values, accept, options=(), codec=None, path=None):
    """Prove that set value, step, NON allocates nothing."""
    stage = Stage()
    if codec:
        stage.client.add_format(codec)
    probe = stage.probe
    setattr(probe, name, values[0])
    stage.observe(path or "/26250/0/%d" % probe.rid(name), accept=accept, options=options)
    stage.client.on_notification = None
    near = stage.far.near
    sent = [0]
    lengths = [0]

    def send(buf, n):
        # Loopback would copy
        sent[0] += 1
        lengths[0] = n

    near.send = send
    step = stage.client.step
    clock = stage.bench.clock

    def one(value):
        setattr(probe, name, value)
        probe.changed(RIDS[name])
        step()

    def later(ms):
        clock.advance(ms)
        step()

    for value in values:  # what is imported with the first one
        one(value)
        later(20000)
    before = sent[0]
    assert before, "nothing is sent"
    for value in values:
        heap_locked(one, value)
        heap_locked(later, 20000)
    assert sent[0] > before, "nothing is sent"
    return sent[0] - before


RIDS = {"count": 0, "level": 1, "on": 2}


def test_notification_of_a_number_allocates_nothing():
    for name, values in (
        ("count", (5, 6, 7)),
        ("level", (20.0, 21.5, 30.25)),
        ("on", (True, False)),
    ):
        for accept, codec in (
            (TEXT, None),
            (TLV, None),
            (60, Cbor()),
            (SENML_JSON, None),
            (112, None),
        ):
            try:
                eq(locked(name, values, accept, codec=codec), len(values))
            except AssertionError as e:
                raise AssertionError("%s in %d: %s" % (name, accept, e))


def test_notification_with_attributes_allocates_nothing():
    for options, n in (
        ((b"pmin=10",), 3),
        ((b"pmax=15",), 6),
        ((b"pmin=5", b"pmax=15"), 3),
        ((b"gt=25",), 2),
        ((b"lt=25",), 2),
        ((b"gt=40", b"lt=25", b"pmin=10"), 2),
        ((b"epmin=10",), 3),
        ((b"epmax=10",), 3),
        ((b"epmin=5", b"epmax=10", b"pmin=6", b"pmax=100", b"gt=25"), 2),
        ((b"con=0", b"gt=25"), 2),
    ):
        queries = [(URI_QUERY, option) for option in options]
        for name, values in (("level", (20.0, 30.0, 20.5)), ("count", (20, 30, 21))):
            try:
                eq(locked(name, values, TEXT, queries), n)
            except AssertionError as e:
                raise AssertionError("%s %r: %s" % (name, options, e))
    for option in (b"edge=1", b"edge=0"):
        locked("on", (True, False, True, False), TEXT, [(URI_QUERY, option)])


def test_look_with_st_allocates_nothing():
    # Telling does, because the next thresholds are worked out: 32 bytes of floats
    stage = Stage()
    stage.observe(LEVEL, options=[(URI_QUERY, b"st=100")])
    stage.put(21.0)
    probe = stage.probe
    step = stage.client.step

    def one(value):
        probe.level = value
        probe.changed(1)
        step()

    statuses = [0]

    def status(status, observation):
        statuses[0] += 1

    stage.client.on_notification = status
    for value in (22.0, 23.5, 119.5):
        heap_locked(one, value)
    eq((stage.far.take(), statuses[0]), ([], 0))
    eq(stage.only(stage.put(121.0)).payload, b"121.0")


def test_same_value_again_allocates_nothing():
    stage = Stage()
    probe = stage.probe
    for name in RIDS:
        stage.observe("/26250/0/%d" % RIDS[name], bytes((RIDS[name],)))
        probe.put(name, getattr(probe, name))
    stage.step()

    statuses = [0]

    def status(status, observation):
        statuses[0] += 1

    stage.client.on_notification = status  # "dropped", if it was caught by the loop

    def one(name, value):
        setattr(probe, name, value)
        probe.changed(RIDS[name])
        stage.client.step()

    for name in RIDS:
        heap_locked(one, name, getattr(probe, name))
    eq(statuses[0], 0)


def test_change_that_nobody_observes_allocates_nothing():
    stage = Stage()
    probe = stage.probe

    def one(value):
        probe.level = value
        probe.changed(1)

    heap_locked(one, 21.0)
    stage.observe(COUNT)
    stage.step()
    heap_locked(one, 22.0)
    heap_locked(stage.client.step)


def test_work_is_proportional_to_what_has_changed():
    stage = Stage(register=False)
    probes = [stage.client.add(Probe(iid=i)) for i in range(10, 60)]
    stage.bench.registered()
    for i in range(50):
        stage.observe("/26250/%d/1" % (10 + i), bytes((i, 1)))
        stage.observe("/26250/%d/0" % (10 + i), bytes((i, 2)))
    stage.step()
    reporting = stage.registration.reporting
    looked = []
    look = reporting.look

    def counting(observation):
        looked.append(observation.path)
        look(observation)

    reporting.look = counting
    reads = [0]
    real = Probe.value_at

    def value_at(self, i):
        reads[0] += 1
        return real(self, i)

    Probe.value_at = value_at
    try:
        eq(stage.step(), [])
        eq((len(looked), reads[0]), (0, 0))
        probes[7].put("level", 1.5)
        eq(len(stage.step()), 1)
        eq(looked, [(26250, 17, 1)])
        assert reads[0] <= 3, reads
        looked.clear()
        for i in (3, 4, 5):
            probes[i].put("count", 9)
            probes[i].put("count", 10)
        eq(len(stage.step()), 3)
        eq(len(looked), 3)
        looked.clear()
        for _ in range(100):
            stage.step(1000)
        eq(looked, [])
    finally:
        Probe.value_at = real


def test_observations_are_given_back():
    # A server that observes and cancels for ever
    stage = Stage()

    def once():
        for i in range(5):
            stage.get("/26250/0/%d" % i, bytes((i,)), 0, None)
            stage.probe.put("level", stage.probe.level + 1)
            stage.step()
        stage.fetch([LEVEL, COUNT], b"c")
        for i in range(5):
            stage.get("/26250/0/%d" % i, bytes((i,)), 1, None)
        stage.fetch([LEVEL, COUNT], b"c", 1)
        stage.statuses.clear()

    import gc

    for _ in range(3):
        once()
    gc.collect()
    before = gc.mem_alloc()
    for _ in range(20):
        once()
    gc.collect()
    assert gc.mem_alloc() - before < 500, gc.mem_alloc() - before
    eq(stage.registration.reporting.index.chains, {})
