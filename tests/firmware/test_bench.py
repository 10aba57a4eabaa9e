"""The bench of the firmware's tests itself."""

from bench import Bench
from testing import eq
from wire import GET, TEXT


def test_bench_registers_and_asks():
    bench = Bench().registered()
    eq(bench.ask(GET, "/1/0/0", accept=TEXT).payload, b"1")
    eq(bench.events, ["registered"])
