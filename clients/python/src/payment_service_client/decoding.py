"""JSON values as the types of `answers`. What does not fit is a TypeError or a ValueError."""

from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from types import NoneType, UnionType
from typing import Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


def decode(kind: type[T], value: object) -> T:
    """The value as a `kind`. Fields that the type does not have are left out: the service may add some."""
    return cast("T", _as(kind, value))


def _as(hint: object, value: object) -> object:
    origin, inner = get_origin(hint), get_args(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return _object(hint, value)
    if origin is tuple:
        return tuple(_as(inner[0], each) for each in cast("list[object]", _checked(list, value)))
    if origin in {Union, UnionType}:  # a union with a Literal is of the older kind
        return _first(inner, value)
    if hint is Decimal:
        return _number(value)
    if hint is datetime:
        moment = datetime.fromisoformat(cast("str", _checked(str, value)))
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return _checked(str if origin is Literal else cast("type", origin or hint), value)


def _object(kind: type, value: object) -> object:
    given, hints = cast("dict[str, object]", _checked(dict, value)), _hints(kind)
    missing = [f.name for f in fields(kind) if f.name not in given and f.default is MISSING]
    if missing:
        raise ValueError(f"no {', '.join(missing)} in the answer")
    return kind(**{name: _as(hint, given[name]) for name, hint in hints.items() if name in given})


@cache
def _hints(kind: type) -> dict[str, object]:
    return get_type_hints(kind)


def _first(kinds: tuple[object, ...], value: object) -> object:
    if value is None and NoneType in kinds:
        return None
    for kind in kinds[:-1]:
        try:
            return _as(kind, value)
        except (TypeError, ValueError):
            continue
    return _as(kinds[-1], value)


def _number(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise TypeError(f"not an amount: {value!r}")
    try:
        return Decimal(value)
    except InvalidOperation as error:
        raise ValueError(f"not an amount: {value!r}") from error


def _checked(kind: type, value: object) -> object:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{value!r} is not of type {kind.__name__}")
    return value
