"""The bench of information reporting finds what is wrong."""

from reporting_bench import check, items, records, value_of
from testing import eq


def test_series_is_read():
    eq(items("0:20 2.5:~21 60:."), [(0, "20"), (2500, "~21"), (60000, ".")])
    eq(value_of("list", "5,7"), {0: 5, 1: 7})
    eq(value_of("on", "1"), True)


def test_line_that_is_not_true_is_found():
    path = "/26250/0/1"
    for bad in (("", "0:20 3:21", ""), ("", "0:20 3:21", "4:21"), ("", "0:20 3:21", "3:22")):
        try:
            check(path, (bad,))
        except AssertionError as e:
            assert "1 of 1" in str(e)
        else:
            raise AssertionError("not found: %r" % (bad,))
    check(path, (("", "0:20 3:21", "3:21"),))


def test_pack_is_read_by_another_parser():
    pack = b'[{"bn":"/3/0/","n":"1","v":5},{"n":"2","vs":"x"},{"bn":"/4","vb":true}]'
    eq(records(pack), {"/3/0/1": 5, "/3/0/2": "x", "/4": True})
