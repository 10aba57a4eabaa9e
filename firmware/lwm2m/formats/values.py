"""Checks of a value that has arrived, for several readers. Loaded with the first write."""

from micropython import const

_UINT = const(3)


def whole(value, kind):
    """An integer if it is one of type `kind`, else None."""
    if kind == _UINT:
        return value if value >> 64 == 0 else None
    return value if -1 <= value >> 63 <= 0 else None


def objlnk(raw):
    """(oid, iid) from the bytes "oid:iid", None if that is not what they are."""
    oid = -1
    value = digits = 0
    for c in raw:
        if 48 <= c <= 57 and not (digits and not value):
            value = value * 10 + c - 48
            digits += 1
            if value > 65535:
                return None
        elif c == 58 and digits and oid < 0:
            oid = value
            value = digits = 0
        else:
            return None
    return (oid, value) if digits and oid >= 0 else None


def text(raw):
    """The str of UTF-8 bytes, None if they are not: overlong forms and surrogates, which
    MicroPython takes, are none (RFC 3629 §3)."""
    try:
        value = str(raw, "utf-8")
    except UnicodeError:
        return None
    if len(value) == len(raw):
        return value  # ASCII
    last = 0
    for c in raw:
        if (
            (last == 0xE0 and c < 0xA0)
            or (last == 0xED and c > 0x9F)
            or (last == 0xF0 and c < 0x90)
            or (last == 0xF4 and c > 0x8F)
            or 0xC0 <= c < 0xC2
            or c > 0xF4
        ):
            return None
        last = c
    return value


def is_decimal(raw):
    """True for the bytes of a decimal number: digits, a point, an exponent. MicroPython's float()
    also takes one without digits."""
    end = len(raw)
    i = 1 if raw[:1] in (b"+", b"-") else 0
    digits = 0
    has_point = False
    while i < end and (48 <= raw[i] <= 57 or (raw[i] == 46 and not has_point)):
        if raw[i] == 46:
            has_point = True
        else:
            digits += 1
        i += 1
    if digits and i < end and raw[i] | 32 == 101:
        digits = 0
        i += 1
        if raw[i : i + 1] in (b"+", b"-"):
            i += 1
        while i < end and 48 <= raw[i] <= 57:
            digits += 1
            i += 1
    return digits > 0 and i == end


def utc_offset(text):
    """True when a text is an offset as in ISO 8601: Z, +HH, +HHMM or +HH:MM."""
    digits = text[1:]
    if len(text) == 6 and text[3:4] == ":":
        digits = text[1:3] + text[4:]
    if text[:1] not in ("+", "-") or len(digits) not in (2, 4) or not digits.isdigit():
        return text == "Z"
    return int(digits[:2]) < 24 and int(digits[2:] or 0) < 60
