"""What the IPSO objects do: extremes, counters, delays, hours of operation, timers."""

from object_checks import bench_of, get, put, record
from testing import eq, heap_locked, raises
from wire import CHANGED, GET, POST, PUT, TLV

from lwm2m.objects.ipso import Sensor, Temperature
from lwm2m.objects.ipso_ambient import AnalogInput, Direction
from lwm2m.objects.ipso_axes import Gyrometer, Magnetometer
from lwm2m.objects.ipso_input import DigitalInput, Presence, PushButton
from lwm2m.objects.ipso_switch import MultiStateSelector, OnOffSwitch, UpDownControl
from lwm2m.objects.ipso_meter import Alarm, Meter
from lwm2m.objects.ipso_output import AnalogOutput, DigitalOutput, SetPoint
from lwm2m.objects.ipso_buzzer import Buzzer
from lwm2m.objects.ipso_light import Dimmer, Light
from lwm2m.objects.ipso_power import Energy, PowerMeasurement
from lwm2m.objects.ipso_quantity import Voltage
from lwm2m.objects.ipso_timer import Stopwatch, Timer
from lwm2m.timers import run
from lwm2m.types import BOOL, FLOAT

BAD_REQUEST, NOT_FOUND = 0x80, 0x84


def execute(bench, path):
    eq(bench.ask(POST, path).code, CHANGED)


def watched(instance):
    """The rids that the instance says have changed."""
    seen = []
    instance.changed = seen.append
    return seen


# Sensors


def test_extremes_follow_the_value_and_are_reset():
    for cls, first in (
        (Temperature, 5700),
        (Voltage, 5700),
        (AnalogInput, 5600),
        (Direction, 5705),
    ):
        bench = bench_of(cls())
        path = "/%d/0/" % cls.OID
        eq(get(bench, path + "5601"), NOT_FOUND)
        for value in (20.0, 25.5, 10.25, 15.0):
            bench.it.value = value
        eq([get(bench, path + str(rid)) for rid in (first, 5601, 5602)], [15.0, 10.25, 25.5])
        execute(bench, path + "5605")
        eq([get(bench, path + str(rid)) for rid in (first, 5601, 5602)], [15.0, 15.0, 15.0])
        bench.it.value = 16.0
        eq([get(bench, path + str(rid)) for rid in (5601, 5602)], [15.0, 16.0])


def test_sensor_says_what_has_changed():
    for cls, rids in ((Temperature, (5700, 5601, 5602)), (PowerMeasurement, (5800, 5801, 5802))):
        sensor = cls()
        seen = watched(sensor)
        sensor.value = 1.0
        eq(seen, list(rids))
        seen.clear()
        sensor.value = 0.5
        eq(seen, list(rids[:2]))
        seen.clear()
        sensor.value = 0.75
        eq(seen, [rids[0]])
        seen.clear()
        sensor.reset_measured()
        eq(seen[:2], list(rids[1:]))


def test_setting_a_value_allocates_nothing():
    sensor = Temperature()

    def measure():
        sensor.value = 20.5

    measure()
    heap_locked(measure)


def test_own_sensor_is_one_line():
    class Soil(Sensor):
        OID = 26242

    bench = bench_of(Soil(unit="%", max_range=100.0))
    bench.it.value = 41.5
    eq(get(bench, "/26242/0/5700"), 41.5)
    eq(get(bench, "/26242/0/5701"), "%")


def test_power_has_active_and_reactive_parts():
    bench = bench_of(PowerMeasurement())
    it = bench.it
    eq([get(bench, "/3305/0/%d" % rid) for rid in (5810, 5811, 5815)], [NOT_FOUND] * 3)
    it.value = 100.0
    it.reactive = -5.0
    it.reactive = 5.0
    eq([get(bench, "/3305/0/%d" % rid) for rid in (5810, 5811, 5812)], [5.0, -5.0, 5.0])
    it.add_energy(1.5, 0.25)
    it.add_energy(1.0)
    eq([get(bench, "/3305/0/%d" % rid) for rid in (5805, 5815)], [2.5, 0.25])
    execute(bench, "/3305/0/5822")
    eq([get(bench, "/3305/0/%d" % rid) for rid in (5805, 5815)], [0.0, 0.0])
    execute(bench, "/3305/0/5605")
    eq([get(bench, "/3305/0/%d" % rid) for rid in (5801, 5811, 5812)], [100.0, 5.0, 5.0])
    eq(put(bench, "/3305/0/5806", 60.0), CHANGED)
    eq(it.more[5806], 60.0)


def test_energy_is_reset():
    bench = bench_of(Energy(unit="Wh"))
    bench.it.value = 12.5
    execute(bench, "/3331/0/5822")
    eq(get(bench, "/3331/0/5700"), 0.0)


def test_axes():
    bench = bench_of(Gyrometer())
    it = bench.it
    eq([get(bench, "/3334/0/%d" % rid) for rid in (5702, 5703, 5508)], [0.0] + [NOT_FOUND] * 2)
    it.set(1.0, 2.0)
    it.set(-1.0, 3.0)
    got = [get(bench, "/3334/0/%d" % rid) for rid in (5702, 5703, 5704)]
    eq(got, [-1.0, 3.0, NOT_FOUND])
    got = [get(bench, "/3334/0/%d" % rid) for rid in range(5508, 5514)]
    eq(got, [-1.0, 1.0, 2.0, 3.0, NOT_FOUND, NOT_FOUND])
    execute(bench, "/3334/0/5605")
    got = [get(bench, "/3334/0/%d" % rid) for rid in range(5508, 5512)]
    eq(got, [-1.0, -1.0, 3.0, 3.0])


def test_compass_direction_is_an_angle():
    it = Magnetometer(direction=360)
    for value in (-0.5, 361):
        raises(ValueError, setattr, it, "direction", value)
    raises(ValueError, Magnetometer, direction=400)
    eq(it.direction, 360)
    it.direction = None


# Inputs


def pulse(it, n=1):
    for _ in range(n):
        it.state = True
        it.state = False


def test_input_counts_the_edges_that_are_selected():
    for edge, expected in ((1, 3), (2, 3), (3, 6)):
        bench = bench_of(DigitalInput())
        eq(put(bench, "/3200/0/5504", edge), CHANGED)
        pulse(bench.it, 3)
        bench.it.state = False
        eq((edge, get(bench, "/3200/0/5501")), (edge, expected))
        execute(bench, "/3200/0/5505")
        eq(get(bench, "/3200/0/5501"), 0)


def test_polarity_reverses_the_state_but_is_no_edge():
    bench = bench_of(DigitalInput())
    eq(get(bench, "/3200/0/5500"), False)
    eq(put(bench, "/3200/0/5502", True), CHANGED)
    eq(get(bench, "/3200/0/5500"), True)
    eq(get(bench, "/3200/0/5501"), 0)
    bench.it.state = 1
    eq(get(bench, "/3200/0/5500"), False)
    eq(get(bench, "/3200/0/5501"), 0)
    bench.it.state = 0
    eq(get(bench, "/3200/0/5501"), 1)


def test_debounce_takes_a_level_that_lasts():
    bench = bench_of(DigitalInput(debounce_ms=50))
    it = bench.it
    for level in (1, 0, 1, 0, 1):
        it.state = level
        bench.advance(5)
    eq((it.state, it.counter), (False, 0))
    bench.advance(40)
    eq((it.state, it.counter), (False, 0))
    bench.advance(5)
    eq((it.state, it.counter), (True, 1))
    it.state = 0
    bench.advance(20)
    it.state = 1
    bench.advance(1000)
    eq((it.state, it.counter), (True, 1))
    eq(len(bench.client.timers), 0)


def test_debounce_asks_to_be_woken():
    bench = bench_of(DigitalInput(debounce_ms=50))
    bench.client.step()
    bench.it.state = 1
    assert 0 < bench.client.step() <= 50


def test_input_without_delay_allocates_nothing():
    it = PushButton()
    pulse(it)
    heap_locked(it.set_state, True)
    eq((it.state, it.counter), (True, 2))


def test_input_says_what_has_changed():
    it = PushButton()
    seen = watched(it)
    it.state = True
    it.state = True
    it.state = False
    eq(seen, [5500, 5501, 5500])


def test_presence_lasts_and_needs_time():
    bench = bench_of(Presence(to_busy_ms=100, to_clear_ms=10000))
    it = bench.it
    it.state = True
    bench.advance(50)
    it.state = False
    bench.advance(200)
    eq((it.state, it.counter), (False, 0))
    it.state = True
    bench.advance(100)
    eq((it.state, it.counter), (True, 1))
    it.state = False
    bench.advance(9000)
    pulse(it)  # detected again: the time begins anew
    bench.advance(9000)
    eq(it.state, True)
    bench.advance(1000)
    eq((it.state, it.counter), (False, 1))
    execute(bench, "/3302/0/5505")
    eq(it.counter, 0)


def test_switch_counts_its_hours():
    bench = bench_of(OnOffSwitch())
    it = bench.it
    get(bench, "/3342/0/5854")
    bench.clock.advance(10000)
    it.state = True
    bench.clock.advance(5500)
    it.state = False
    bench.clock.advance(500)
    it.state = True
    bench.clock.advance(500)
    eq((get(bench, "/3342/0/5852"), get(bench, "/3342/0/5854")), (6, 10))
    eq(put(bench, "/3342/0/5852", 0), CHANGED)
    bench.clock.advance(2000)
    eq((get(bench, "/3342/0/5852"), get(bench, "/3342/0/5854")), (2, 10))
    eq(put(bench, "/3342/0/5854", 0), CHANGED)
    eq(get(bench, "/3342/0/5854"), 0)


def test_up_and_down_are_counted():
    bench = bench_of(UpDownControl())
    it = bench.it
    for _ in range(2):
        it.up = True
        it.up = True
        it.up = False
    it.down = True
    eq([get(bench, "/3344/0/%d" % rid) for rid in (5532, 5533, 5541, 5542)], [False, True, 2, 1])
    eq(put(bench, "/3344/0/5541", 0), CHANGED)
    eq(get(bench, "/3344/0/5541"), 0)


def test_selector():
    bench = bench_of(MultiStateSelector(value=2))
    seen = watched(bench.it)
    bench.it.value = 3
    eq((get(bench, "/3348/0/5547"), seen), (3, [5547]))


# Outputs


def driven(bench):
    levels = []
    bench.it.drive = levels.append
    return levels


def test_digital_output_drives_its_level():
    bench = bench_of(DigitalOutput())
    levels = driven(bench)
    eq(put(bench, "/3201/0/5550", True), CHANGED)
    eq(put(bench, "/3201/0/5551", True), CHANGED)
    eq(put(bench, "/3201/0/5550", False), CHANGED)
    bench.it.state = True
    eq(levels, [True, False, True, False])
    eq(get(bench, "/3201/0/5550"), True)


def test_analog_output_keeps_its_range():
    bench = bench_of(AnalogOutput(min_range=-5.0, max_range=5.0))
    levels = driven(bench)
    eq(put(bench, "/3203/0/5650", -4.5), CHANGED)
    for value in (-5.5, 6.0):
        eq(put(bench, "/3203/0/5650", value), BAD_REQUEST)
        raises(ValueError, setattr, bench.it, "value", value)
    eq((levels, get(bench, "/3203/0/5650")), ([-4.5], -4.5))


def test_set_point_drives():
    bench = bench_of(SetPoint(unit="Cel"))
    levels = driven(bench)
    eq(put(bench, "/3308/0/5900", 21.5), CHANGED)
    eq(levels, [21.5])


def test_handler_that_fails_leaves_the_output_as_it_was():
    bench = bench_of(DigitalOutput())

    def drive(level):
        if level:
            raise OSError(5)

    bench.it.drive = drive
    eq(put(bench, "/3201/0/5550", True), 0xA0)
    eq(get(bench, "/3201/0/5550"), False)


def test_light_is_dimmed_and_counts_its_hours():
    bench = bench_of(Light())
    levels = driven(bench)
    for rid, value in ((5850, True), (5851, 30), (5850, False), (5851, 60), (5850, True)):
        eq(put(bench, "/3311/0/%d" % rid, value), CHANGED)
    eq(levels, [100, 30, 0, 0, 60])
    bench.clock.advance(3600500)
    eq(get(bench, "/3311/0/5852"), 3600)
    bench.it.on = False
    bench.clock.advance(3600000)
    eq(get(bench, "/3311/0/5852"), 3600)
    eq(put(bench, "/3311/0/5852", 0), CHANGED)
    eq(get(bench, "/3311/0/5852"), 0)
    raises(ValueError, setattr, bench.it, "dimmer", 101)


def test_light_is_written_whole():
    bench = bench_of(Light())
    payload = record(5850, BOOL, True) + record(5851, 2, 40)
    eq(bench.ask(PUT, "/3311/0", payload, format=TLV).code, CHANGED)
    eq((bench.it.on, bench.it.dimmer, bench.it.output), (True, 40, 40))
    eq(bench.ask(PUT, "/3311/0", record(5850, BOOL, True), format=TLV).code, CHANGED)
    eq((bench.it.dimmer, bench.it.output), (None, 100))


def test_light_that_was_on_before_it_was_added_counts_from_then():
    light = Light(on=True)
    bench = bench_of(light)
    eq(light.on_time, 0)
    bench.clock.advance(5000)
    eq(light.on_time, 5)


def test_dimmer_is_on_above_zero():
    bench = bench_of(Dimmer())
    get(bench, "/3343/0/5854")
    bench.clock.advance(2000)
    eq(put(bench, "/3343/0/5548", 50.0), CHANGED)
    bench.clock.advance(3000)
    eq(put(bench, "/3343/0/5548", 0.0), CHANGED)
    bench.clock.advance(4000)
    eq((get(bench, "/3343/0/5852"), get(bench, "/3343/0/5854")), (3, 6))
    raises(ValueError, setattr, bench.it, "level", 101)


def test_buzzer_ends_by_itself_and_rests():
    bench = bench_of(Buzzer(duration_s=2.0, min_off_s=5.0, level=80.0))
    levels = driven(bench)
    eq(put(bench, "/3338/0/5850", True), CHANGED)
    bench.advance(1999)
    eq(levels, [80.0])
    bench.advance(1)
    eq((levels, get(bench, "/3338/0/5850")), ([80.0, 0], False))
    bench.advance(4999)
    eq(put(bench, "/3338/0/5850", True), CHANGED)
    eq(get(bench, "/3338/0/5850"), False)
    bench.advance(1)
    eq(put(bench, "/3338/0/5850", True), CHANGED)
    eq(get(bench, "/3338/0/5850"), True)
    eq(put(bench, "/3338/0/5548", 10.0), CHANGED)
    eq(put(bench, "/3338/0/5850", False), CHANGED)
    eq(levels, [80.0, 0, 80.0, 10.0, 0])
    bench.advance(60000)
    eq(levels, [80.0, 0, 80.0, 10.0, 0])


# Timers


def timer(mode, duration_s=10.0, min_off_s=0.0):
    """A timer, and what it has driven: (second, output)."""
    bench = bench_of(Timer(duration_s=duration_s, min_off_s=min_off_s, mode=mode))
    bench.start_s = bench.clock.s
    bench.seen = []
    bench.it.drive = lambda on: bench.seen.append((bench.clock.s - bench.start_s, on))
    return bench


def until(bench, second):
    while bench.clock.s - bench.start_s < second:
        bench.advance(500)


def test_one_shot_is_on_for_the_duration():
    bench = timer(1)
    eq(put(bench, "/3340/0/5850", True), CHANGED)
    until(bench, 4)
    eq(get(bench, "/3340/0/5538"), 6.0)
    eq(put(bench, "/3340/0/5850", False), CHANGED)
    eq(put(bench, "/3340/0/5850", True), CHANGED)
    until(bench, 30)
    eq(bench.seen, [(0, True), (10, False)])
    eq(get(bench, "/3340/0/5538"), 0.0)
    eq((get(bench, "/3340/0/5501"), get(bench, "/3340/0/5534")), (2, 1))


def test_interval_ends_with_the_input():
    bench = timer(2)
    bench.it.on = True
    until(bench, 4)
    bench.it.on = False
    until(bench, 20)
    bench.it.on = True
    until(bench, 50)
    eq(bench.seen, [(0, True), (4, False), (20, True), (30, False)])
    eq(bench.it.on, True)


def test_delay_on_pick_up():
    bench = timer(3)
    bench.it.on = True
    until(bench, 4)
    bench.it.on = False
    until(bench, 20)
    bench.it.on = True
    until(bench, 50)
    bench.it.on = False
    until(bench, 80)
    eq(bench.seen, [(30, True), (50, False)])


def test_delay_on_drop_out():
    bench = timer(4)
    bench.it.on = True
    until(bench, 30)
    bench.it.on = False
    until(bench, 35)
    bench.it.on = True
    until(bench, 60)
    bench.it.on = False
    until(bench, 100)
    eq(bench.seen, [(0, True), (70, False)])


def test_disabled_timer_only_watches_its_input():
    bench = timer(0)
    bench.it.on = True
    until(bench, 30)
    eq(bench.seen, [])
    eq((get(bench, "/3340/0/5544"), get(bench, "/3340/0/5501")), (30.0, 1))
    eq(get(bench, "/3340/0/5543"), False)


def test_trigger_starts_in_every_mode():
    for mode, expected in (
        (0, []),
        (1, [(0, True), (10, False)]),
        (2, [(0, True), (10, False)]),
        (3, [(10, True)]),
        (4, [(0, True), (10, False)]),
    ):
        bench = timer(mode)
        execute(bench, "/3340/0/5523")
        until(bench, 40)
        eq((mode, bench.seen), (mode, expected))


def test_nothing_starts_within_the_minimum_off_time():
    bench = timer(1, min_off_s=5.5)
    execute(bench, "/3340/0/5523")
    until(bench, 13)
    execute(bench, "/3340/0/5523")
    until(bench, 16)
    execute(bench, "/3340/0/5523")
    until(bench, 40)
    eq(bench.seen, [(0, True), (10, False), (16, True), (26, False)])


def test_mode_0_switches_off_at_once():
    bench = timer(1)
    execute(bench, "/3340/0/5523")
    until(bench, 3)
    eq(put(bench, "/3340/0/5526", 0), CHANGED)
    until(bench, 30)
    eq(bench.seen, [(0, True), (3, False)])
    raises(ValueError, setattr, bench.it, "mode", 5)


def test_timer_of_weeks():
    bench = timer(1, duration_s=30 * 86400.0)
    execute(bench, "/3340/0/5523")
    for _ in range(30 * 24 - 1):
        bench.clock.advance(3600000)
        run(bench.client)
    eq(bench.it.output, True)
    bench.clock.advance(3600000)
    run(bench.client)
    eq(bench.it.output, False)
    eq(len(bench.client.timers), 0)


def test_many_cycles_leave_no_timers_behind():
    bench = timer(2, duration_s=3600.0)
    for _ in range(200):
        bench.it.on = True
        bench.clock.advance(10)
        bench.it.on = False
    assert len(bench.client.timers) <= 1, len(bench.client.timers)


def test_cumulative_time_and_counter_are_reset():
    bench = timer(4, duration_s=1.0)
    execute(bench, "/3340/0/5523")
    bench.it.on = True
    until(bench, 5)
    eq((get(bench, "/3340/0/5544"), get(bench, "/3340/0/5534")), (5.0, 1))
    for rid in (5544, 5534):
        payload = 0.0 if rid == 5544 else 0
        eq(put(bench, "/3340/0/%d" % rid, payload), CHANGED)
        eq(get(bench, "/3340/0/%d" % rid), 0)
    until(bench, 8)
    eq(get(bench, "/3340/0/5544"), 3.0)


def test_stopwatch():
    bench = bench_of(Stopwatch())
    for _ in range(2):
        eq(put(bench, "/3350/0/5850", True), CHANGED)
        bench.clock.advance(1250)
        eq(put(bench, "/3350/0/5850", False), CHANGED)
        bench.clock.advance(9999)
    eq((get(bench, "/3350/0/5544"), get(bench, "/3350/0/5501")), (2.5, 2))
    eq(put(bench, "/3350/0/5544", 60.5), CHANGED)
    eq(put(bench, "/3350/0/5850", True), CHANGED)
    bench.clock.advance(500)
    eq(get(bench, "/3350/0/5544"), 61.0)
    eq(bench.ask(GET, "/3350/0", accept=TLV).code, 0x45)
    eq(record(5544, FLOAT, 0.0)[:1], b"\xe8")


# What they are made of


def test_meter_before_there_is_a_clock():
    meter = Meter()
    meter.run(True, None)
    eq(meter.update(None), 0)


def test_alarm_rings_once_at_the_latest_time_set():
    bench = bench_of(PushButton())
    rings = []
    alarm = Alarm(bench.client, lambda: rings.append(bench.clock.s))
    start_s = bench.clock.s
    for seconds in (5, 60, 2, 10, 0.5, 7):
        alarm.set(seconds)
    for _ in range(120):
        bench.advance(1000)
    eq(rings, [start_s + 7])
    alarm.set(1)
    alarm.cancel()
    eq(alarm.left_s(), 0.0)
    bench.advance(5000)
    eq(len(rings), 1)
