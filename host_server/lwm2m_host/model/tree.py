"""Between nested Python values and lists of entries.

A resource is a value, or ``{riid: value}`` when it has several instances; an instance is
``{rid: ...}``; an object is ``{iid: {rid: ...}}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import FormatError, PathError, ValueTypeError
from .entry import Entry
from .path import MAX_ID, Path
from .values import whole_number


def flatten(path: Path, value: Any, deleted: list[Path] | None = None) -> list[Entry]:
    """The entries of a value at a path. Raises ValueTypeError where the nesting is wrong.

    deleted: takes the resources and resource instances whose value is None; without it None is
    no value.
    """
    if value is None and deleted is not None and path.depth >= 3:
        deleted.append(path)
        return []
    if not isinstance(value, Mapping):
        if path.depth < 3:
            raise ValueTypeError(f"{path} is an {path.level}: expects a dict, got {value!r}")
        if value is None:
            raise ValueTypeError(f"{path} expects a value, got None")
        return [Entry(path, value)]
    if path.depth >= 4:
        raise ValueTypeError(f"{path} is a resource instance and cannot be a dict")
    if not value:
        return [Entry(path, None)]
    entries: list[Entry] = []
    for key, item in value.items():
        entries += flatten(_child(path, key), item, deleted)
    return entries


def _child(path: Path, key: Any) -> Path:
    number = whole_number(key, MAX_ID) if isinstance(key, str) else key
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= MAX_ID:
        raise ValueTypeError(f"{path}: expects ids as keys, got {key!r}")
    try:
        return path / number
    except PathError as error:
        raise ValueTypeError(f"{path}: {error}") from None


def shape(entries: Sequence[Entry], base: Path, is_multiple: Callable[[Path], bool]) -> Any:
    """The value at `base`, nested. Raises FormatError when the entries do not make one.

    A resource that is defined as multiple is always a dict, whatever the device sent; an empty
    one has no form in SenML but an empty pack.
    """
    if base.depth == 3 and not entries and is_multiple(base):
        return {}
    if base.depth >= 3 and not entries:
        raise FormatError(f"the answer holds no value for {base}")
    if base.depth == 4:
        if len(entries) != 1 or entries[0].path != base:
            raise FormatError(f"the answer holds no single value for {base}")
        return entries[0].value
    tree: dict[int, Any] = {}
    for entry in entries:
        _insert(tree, entry, base, is_multiple)
    return tree[base.ids[-1]] if base.depth == 3 else tree


def _insert(
    tree: dict[int, Any], entry: Entry, base: Path, is_multiple: Callable[[Path], bool]
) -> None:
    # A resource is stored under its own id, so that one rule does for every depth of `base`.
    start = min(base.depth, 2)
    node = tree
    keys = entry.path.ids[start:]
    if not keys:
        return  # the instance that was asked for, empty
    for key in keys[:-1]:
        below = node.setdefault(key, {})
        if not isinstance(below, dict):
            raise FormatError(f"{entry.path} is a value and a multiple resource")
        node = below
    last = keys[-1]
    if entry.value is None:
        node.setdefault(last, {})
    elif last in node:
        raise FormatError(f"{entry.path} occurs twice")
    elif entry.path.depth == 3 and is_multiple(entry.path):
        node[last] = {0: entry.value}
    else:
        node[last] = entry.value
