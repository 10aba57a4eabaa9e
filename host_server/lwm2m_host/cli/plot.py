"""A curve in the terminal, in Braille dots: two columns and four rows of dots to a character."""

from __future__ import annotations

from collections.abc import Sequence

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BLANK = 0x2800


def plot(points: Sequence[tuple[float, float]], width: int, height: int) -> list[str]:
    """The lines of a curve through (time, value), `width` times `height` characters.

    The highest and the lowest value stand on the left of the first and the last line; the curve
    is a staircase, since a value holds until the next one is reported. Points in any order.
    """
    finite = sorted((t, v) for t, v in points if v - v == 0 and t - t == 0)
    if not finite or height < 2:
        return []
    low, high = min(v for _, v in finite), max(v for _, v in finite)
    labels = (f"{high:.6g}", f"{low:.6g}")
    margin = max(map(len, labels)) + 1
    columns, rows = 2 * max(1, width - margin), 4 * height
    begin, end = finite[0][0], finite[-1][0]
    cells = [[0] * (columns // 2) for _ in range(height)]

    def row_of(value: float) -> int:
        if high <= low:
            return rows // 2
        return round((high / 2 - value / 2) / (high / 2 - low / 2) * (rows - 1))

    def dot(column: int, row: int) -> None:
        cells[row // 4][column // 2] |= _DOTS[row % 4][column % 2]

    before: tuple[int, int] | None = None
    for t, value in finite:
        share = (t - begin) / (end - begin) if end > begin else 0.0
        column, row = round(share * (columns - 1)), row_of(value)
        if before is not None:
            for between in range(before[0], column):
                dot(between, before[1])
            for step in range(min(row, before[1]), max(row, before[1]) + 1):
                dot(column, step)
        dot(column, row)
        before = (column, row)
    lines = []
    for number, line in enumerate(cells):
        label = labels[0] if number == 0 else labels[1] if number == height - 1 else ""
        lines.append(label.rjust(margin - 1) + " " + "".join(chr(_BLANK + cell) for cell in line))
    return lines
