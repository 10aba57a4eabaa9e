"""Dates as text (RFC 3339), which CBOR may have for a time (RFC 8949 §3.4.1). Loaded with the
first of them.
"""

from lwm2m.formats.values import utc_offset

# Days of a year before each month
_DAYS = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365)


def seconds(raw):
    """The seconds since 1970 of the bytes "2024-06-01T00:00:00Z", without their fraction; None
    if that is not what they are."""
    fields = []
    pos = 0
    for n, after in ((4, b"-"), (2, b"-"), (2, b"Tt "), (2, b":"), (2, b":"), (2, b"")):
        value = 0
        for c in raw[pos : pos + n]:
            if not 48 <= c <= 57:
                return None
            value = value * 10 + c - 48
        fields.append(value)
        pos += n
        if pos > len(raw) or (after and (pos == len(raw) or raw[pos] not in after)):
            return None
        if after:
            pos += 1
    if raw[pos : pos + 1] == b".":
        first = pos = pos + 1
        while pos < len(raw) and 48 <= raw[pos] <= 57:
            pos += 1
        if pos == first:
            return None
    year, month, day, hour, minute, second = fields
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    # RFC 3339 has leap seconds, time since 1970 has not: 60 is the next minute.
    if not 0 < month < 13 or day < 1 or hour > 23 or minute > 59 or second > 60:
        return None
    if day > _DAYS[month] - _DAYS[month - 1] + (1 if is_leap and month == 2 else 0):
        return None
    try:
        offset = str(raw[pos:], "utf-8").upper()
    except UnicodeError:
        return None
    minutes = 0
    if offset != "Z":
        if len(offset) != 6 or not utc_offset(offset):
            return None
        minutes = int(offset[1:3]) * 60 + int(offset[4:])
        if offset[0] == "-":
            minutes = -minutes
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400 - 719162
    days += _DAYS[month - 1] + day - 1 + (1 if is_leap and month > 2 else 0)
    return ((days * 24 + hour) * 60 + minute - minutes) * 60 + second
