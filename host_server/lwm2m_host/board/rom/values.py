"""Constants of Python as constants of C, for either size of hashes, integers and floats."""

from __future__ import annotations

import ast
import struct
from collections.abc import Callable
from typing import Any

ROM_TYPES = ("bytearray", "bytes", "dict", "float", "int", "list", "str", "tuple")
_SMALL = 1 << 30


class NotConstant(Exception):
    """An expression that has no value before the program runs."""


class Single(float):
    """A float of 32 bits, as most boards have it: every result is rounded."""

    @staticmethod
    def of(value: float) -> Single:
        return Single(struct.unpack("f", struct.pack("f", value))[0])

    def __add__(self, other: float) -> Single:
        return Single.of(float(self) + other)

    def __sub__(self, other: float) -> Single:
        return Single.of(float(self) - other)

    def __mul__(self, other: float) -> Single:
        return Single.of(float(self) * other)

    def __truediv__(self, other: float) -> Single:
        return Single.of(float(self) / other)


class _Rounded(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if not isinstance(node.value, float):
            return node
        return ast.Call(ast.Name("Single", ast.Load()), [node], [])


def evaluate(node: ast.expr, *, single: bool = False) -> Any:
    """The value of a constant expression. single: with floats of 32 bits.

    Raises NotConstant.
    """
    if single:
        node = _Rounded().visit(ast.parse(ast.unparse(node), mode="eval").body)
    expression = ast.fix_missing_locations(ast.Expression(node))
    names = {"__builtins__": {}, "Single": Single.of}
    try:
        return eval(compile(expression, "constant", "eval"), names)
    except Exception:
        raise NotConstant(ast.unparse(node)) from None


def hash_of(data: bytes) -> int:
    """The hash of a name or a string, of which a port keeps the lower 8 or 16 bits."""
    number = 5381
    for byte in data:
        number = (number * 33 ^ byte) & 0xFFFFFFFF
    return number


def stored_hash(data: bytes, size: int) -> int:
    """The hash as a port keeps it in `size` bytes."""
    return hash_of(data) & ((1 << 8 * size) - 1) or 1


def literal(data: bytes) -> str:
    """A string of C."""
    return '"' + "".join(f"\\{byte:03o}" for byte in data) + '"'


class Values:
    """Writes definitions of C. escape: a name as MicroPython has it in MP_QSTR_…"""

    def __init__(self, escape: Callable[[str], str]) -> None:
        self.lines: list[str] = []
        self._escape = escape
        self._count = 0

    def new(self) -> int:
        self._count += 1
        return self._count

    def name(self, text: str) -> str:
        return f"MP_ROM_QSTR(MP_QSTR_{self._escape(text)})"

    def constant(self, value: Any) -> str:
        """The expression for a value; what it refers to is defined. Raises NotConstant."""
        match value:
            case None:
                return "MP_ROM_NONE"
            case bool():
                return "MP_ROM_TRUE" if value else "MP_ROM_FALSE"
            case int() if -_SMALL <= value < _SMALL:
                return f"MP_ROM_INT({value})"
            case int():
                return self._integer(value)
            case float():
                text = "static const struct {mp_obj_base_t base; mp_float_t value;} rom_%d"
                return self._define(text + f" = {{{{&mp_type_float}}, (mp_float_t){value!r}}};")
            case str() if value.isidentifier() and value.isascii():
                return self.name(value)
            case str() | bytes():
                kind = "str" if isinstance(value, str) else "bytes"
                data = value.encode() if isinstance(value, str) else value
                return self._define(
                    f"static const mp_obj_str_t rom_%d = {{{{&mp_type_{kind}}}, "
                    f"ROM_HASH({hash_of(data) & 0xFFFF}), {len(data)}, "
                    f"(const byte *){literal(data)}}};"
                )
            case dict() if value:
                return self._fixed(value)
            case tuple():
                return self.tuple([self.constant(item) for item in value])
        raise NotConstant(repr(value))

    def either(self, node: ast.expr) -> str:
        """A constant expression, which may depend on the size of floats. Raises NotConstant."""
        double, single = evaluate(node), evaluate(node, single=True)
        if double == single or isinstance(double, float):
            return self.constant(double)
        number = self.new()
        self.lines.append(
            f"#if MICROPY_FLOAT_IMPL == MICROPY_FLOAT_IMPL_DOUBLE\n"
            f"#define ROM_EITHER_{number} {self.constant(double)}\n"
            f"#else\n#define ROM_EITHER_{number} {self.constant(single)}\n#endif"
        )
        return f"ROM_EITHER_{number}"

    def tuple(self, items: list[str]) -> str:
        if not items:
            return "MP_ROM_PTR(&mp_const_empty_tuple_obj)"
        return self._define(
            f"static const struct {{mp_obj_base_t base; size_t len; mp_rom_obj_t items"
            f"[{len(items)}];}} rom_%d = {{{{&mp_type_tuple}}, {len(items)}, "
            f"{{{', '.join(items)}}}}};"
        )

    def buffer(self, size: int) -> str:
        """A bytearray, which is in RAM."""
        number = self.new()
        self.lines.append(
            f"static byte rom_buffer_{number}[{size}];\n"
            f"static mp_obj_array_t rom_{number} = {{{{&mp_type_bytearray}}, "
            f"BYTEARRAY_TYPECODE, 0, {size}, rom_buffer_{number}}};"
        )
        return f"MP_ROM_PTR(&rom_{number})"

    def dictionary(self, name: str, entries: dict[str, str], *, constant: str = "const") -> None:
        """Define a dictionary whose keys are names: a hashed table, one for each size of hash."""
        size = max(1, len(entries) * 4 // 3 | 1)
        for width in (1, 2):
            slots: list[tuple[str, str] | None] = [None] * size
            for key, value in entries.items():
                place = stored_hash(key.encode(), width) % size
                while slots[place] is not None:
                    place = (place + 1) % size
                slots[place] = (key, value)
            rows = [
                f"    {{ {self.name(slot[0])}, {slot[1]} }}," if slot else "    { 0, 0 },"
                for slot in slots
            ]
            self.lines.append(
                f"#if MICROPY_QSTR_BYTES_IN_HASH == {width}\n"
                f"static const mp_rom_map_elem_t {name}_table[{size}] = {{\n"
                + "\n".join(rows)
                + "\n};\n#endif"
            )
        self.lines.append(
            f"{constant} mp_obj_dict_t {name} = {{{{&mp_type_dict}}, {{.all_keys_are_qstrs = 1, "
            f".is_fixed = 1, .is_ordered = 0, .used = {len(entries)}, .alloc = {size}, "
            f".table = (mp_map_elem_t *)(mp_rom_map_elem_t *){name}_table}}}};"
        )

    def _fixed(self, value: dict[Any, Any]) -> str:
        """A dictionary that does not change, searched in the order in which it is written."""
        entries = [(self.constant(key), self.constant(item)) for key, item in value.items()]
        rows = ", ".join(f"{{ {key}, {item} }}" for key, item in entries)
        names = int(all(key.startswith("MP_ROM_QSTR") for key, _ in entries))
        number = self.new()
        self.lines.append(
            f"static const mp_rom_map_elem_t rom_table_{number}[{len(entries)}] = {{{rows}}};"
        )
        return self._define(
            f"static const mp_obj_dict_t rom_%d = {{{{&mp_type_dict}}, {{.all_keys_are_qstrs = "
            f"{names}, .is_fixed = 1, .is_ordered = 1, .used = {len(entries)}, .alloc = "
            f"{len(entries)}, .table = (mp_map_elem_t *)(mp_rom_map_elem_t *)"
            f"rom_table_{number}}}}};"
        )

    def _integer(self, value: int) -> str:
        number = self.new()
        for bits in (16, 32):
            digits, left = [], abs(value)
            while left:
                digits.append(left & ((1 << bits) - 1))
                left >>= bits
            self.lines.append(
                f"#if MPZ_DIG_SIZE == {bits}\n"
                f"static const mpz_dig_t rom_digits_{number}[] = "
                f"{{{', '.join(f'{digit}u' for digit in digits)}}};\n"
                f"static const mp_obj_int_t rom_{number} = {{{{&mp_type_int}}, {{.neg = "
                f"{int(value < 0)}, .fixed_dig = 1, .alloc = {len(digits)}, .len = {len(digits)}, "
                f".dig = (mpz_dig_t *)rom_digits_{number}}}}};\n#endif"
            )
        return f"MP_ROM_PTR(&rom_{number})"

    def _define(self, text: str) -> str:
        number = self.new()
        self.lines.append(text.replace("rom_%d", f"rom_{number}", 1))
        return f"MP_ROM_PTR(&rom_{number})"
