"""Frozen dataclasses <-> JSON values, as artifacts and records hold them; other versions' are read, nothing is lost.

A field that is None isn't written, and is read as that where it has no default. One that may be None is None where what
was written isn't of its kind. A dataclass with a field `others` keeps there what it doesn't know, and it is written
again where it stood. A path is written as it is from anywhere.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed import DataclassInstance

    Read = Callable[[object], object]
    Reader = tuple[Read, bool, frozenset[type]]
    """What reads a field, whether it may be None, and the classes whose values are taken as they are."""

T = TypeVar("T")
OTHERS = "others"


class JsonError(ValueError):
    """What was written isn't of the kind that it has to be."""


def to_json(value: DataclassInstance) -> dict[str, object]:
    """Its fields that aren't None, dataclasses and tuples within them as objects and lists."""
    told = {name: _plain(one) for name in _names(type(value)) if (one := getattr(value, name)) is not None}
    return told | {name: one for name, one in getattr(value, OTHERS, {}).items() if name not in told}


def from_json(kind: type[T], raw: object) -> T:
    """The value that `to_json` made these of, or another version's as far as it is one.

    Its annotations are read when the first of them is, so they have to name what its module imports at run time.

    Raises: JsonError when a field that can't be None is of another kind, or has no default and is missing.
    """
    # In this order: `isinstance` is slow with an abstract class.
    if raw.__class__ is not dict and not isinstance(raw, Mapping):
        raise JsonError(f"a {kind.__name__} is written as {type(raw).__name__}")
    readers, absent = _readers(cast("Any", kind))
    written: Any = raw
    known: dict[str, object] = {**absent}
    others: dict[str, object] = {}
    for name, one in written.items():
        if (reader := readers.get(name)) is None:
            others[name] = one
            continue
        read, optional, as_written = reader
        # Twenty thousand records, of a hundred values each, are read while somebody waits.
        if one.__class__ in as_written:
            known[name] = one
            continue
        try:
            known[name] = read(one)
        except JsonError as error:
            if not optional:
                raise JsonError(f"`{name}`: {error}") from error
            others[name] = one
    if others and hasattr(kind, OTHERS):
        known[OTHERS] = others
    try:
        return kind(**known)
    except (TypeError, ValueError) as error:
        raise JsonError(str(error)) from error


def dataclasses_in(kind: type) -> Iterator[type]:
    """A dataclass, and those that its fields' annotations name, theirs included."""
    yield kind
    for hint in get_type_hints(kind).values():
        for one in _kinds_in(hint):
            yield from dataclasses_in(one)


def _kinds_in(hint: Any) -> Iterator[type]:
    if is_dataclass(hint):
        yield cast("type", hint)
    for inner in get_args(hint):
        yield from _kinds_in(inner)


def _plain(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, Path):
        return str(value.absolute())
    return to_json(value) if is_dataclass(value) and not isinstance(value, type) else value


@cache
def _names(kind: type[DataclassInstance]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.name != OTHERS)


@cache
def _readers(kind: type[DataclassInstance]) -> tuple[Mapping[str, Reader], Mapping[str, None]]:
    """What reads each field, and those that `to_json` leaves out as None and that no default stands in for."""
    hints = {name: hint for name, hint in get_type_hints(kind).items() if name != OTHERS}
    readers = {
        name: (_reader(hint), types.NoneType in get_args(hint), _as_written(hint)) for name, hint in hints.items()
    }
    required = [one.name for one in fields(kind) if one.default is MISSING and one.default_factory is MISSING]
    return readers, {name: None for name in required if name in readers and readers[name][1]}


def _as_written(hint: Any) -> frozenset[type]:
    """The classes whose values the hint's reader gives back as they are; what it asks after another kind isn't told."""
    found: list[type] = []
    for one in get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,):
        kind = dict if get_origin(one) is Mapping and get_args(one)[1] in (Any, object) else one
        if kind not in (str, int, bool, float, dict):
            break
        found.append(kind)
        if kind is float:  # it makes floats of whole numbers
            break
    return frozenset(found)


def _reader(hint: Any) -> Read:
    origin, inner = get_origin(hint), get_args(hint)
    # Since numpy 2.5 `NDArray` is an alias of Python 3.12's kind, which is no class itself.
    while hasattr(origin, "__value__"):
        origin = get_origin(origin.__value__)
    if origin in (Union, types.UnionType):
        return partial(_first_that_reads, tuple(map(_reader, inner)))
    if origin is tuple:
        return partial(_tuple, _reader(inner[0]))
    if origin is Mapping:
        plain = inner[1] in (Any, object)
        return partial(_instance, dict) if plain else partial(_mapping, _reader(inner[1]), _as_written(inner[1]))
    if is_dataclass(hint):
        return partial(from_json, cast("type", hint))
    return _PLAIN.get(hint) or partial(_instance, origin or hint)


def _of(kind: type) -> Read:
    """What reads a value of just this class: true and false are numbers to Python and not to JSON."""

    def read(value: object) -> object:
        if value.__class__ is kind:
            return value
        raise JsonError(f"{type(value).__name__} in place of {kind.__name__}")

    return read


def _first_that_reads(readers: tuple[Read, ...], value: object) -> object:
    for read in readers:
        try:
            return read(value)
        except JsonError as error:
            refused = error
    raise refused


def _tuple(read: Read, value: object) -> tuple[object, ...]:
    # Over the wire lists become tuples.
    return tuple(read(one) for one in _instance((list, tuple), value))


def _mapping(read: Read, as_written: frozenset[type], value: object) -> Mapping[str, object]:
    told = _instance(dict, value).items()
    return {name: one if one.__class__ in as_written else read(one) for name, one in told}


def _path(value: object) -> object:
    return Path(str(_exact_str(value)))


def _float(value: object) -> object:
    return float(value) if value.__class__ is int else _exact_float(value)


def _as_it_is(value: object) -> object:
    return value


def _instance(kind: type | tuple[type, ...], value: object) -> Any:
    if not isinstance(value, kind):
        raise JsonError(f"{type(value).__name__} in place of another kind")
    return value


_exact_float, _exact_str = _of(float), _of(str)
_PLAIN: Mapping[Any, Read] = {
    **{kind: _of(kind) for kind in (str, int, bool)},
    float: _float,
    Path: _path,
    Any: _as_it_is,
    object: _as_it_is,
}
