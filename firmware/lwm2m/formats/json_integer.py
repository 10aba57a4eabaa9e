"""Integers that JSON writes with a point or an exponent, such as 9.0: it knows one kind of number
(RFC 8259 §6). Loaded with the first of them.
"""


def integer(number, most_digits):
    """The integer that the text of a JSON `number` stands for; None if it is none, or has more
    digits. Exact: a float would not keep 64 bits."""
    mantissa, _, exponent = number.replace("E", "e").partition("e")
    before, _, behind = mantissa.partition(".")
    if len(exponent) > 4:
        return None
    zeros = int(exponent or 0) - len(behind)
    sign = before[:1] == "-"
    digits = (before[1:] if sign else before) + behind
    count = len(digits)
    while count and digits[count - 1] == "0":
        count -= 1
        zeros += 1
    first = 0
    while first < count and digits[first] == "0":
        first += 1
    if first == count:
        return 0
    if zeros < 0 or count - first + zeros > most_digits:
        return None
    value = int(digits[first:count]) * 10**zeros
    return -value if sign else value
