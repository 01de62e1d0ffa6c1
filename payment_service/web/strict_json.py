"""Strict JSON: nothing that two parsers could read differently, and nothing expensive.

Python's own parser accepts NaN, duplicate names, thousands of nested brackets (a crash) and numbers that are rounded or
enormous. Here the depth is checked before parsing, names are unique, and a number that is not a plain 64-bit integer
stays the text it was: only its field knows what it means.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NoReturn

from payment_service.domain.cards import (
    contains_card_number,
    first_with_card_number,
    has_enough_digits,
    is_number_in_parts,
)
from payment_service.domain.errors import CardDataNotAccepted, FieldError, Invalid

MOST_DEPTH = 16
MOST_NAMES = 200
MOST_VALUES = 2000
LARGEST_INTEGER = 2**63 - 1

_INVALID = "json_invalid"
# A string (also an unterminated one), or a bracket. No part can match in two ways: linear on any input.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
# C0, DEL, C1 and lone surrogates, which must reach neither the databases nor a log line. A value may contain tabs and
# line ends: the field decides about them.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_UNPRINTABLE_OR_LINE_END = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# Integers that only `_integer` reads correctly: minus zero, and those that may exceed 64 bits.
_LONG_INTEGER = re.compile("(?<![0-9])[0-9]{19}")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(set(range(256)) - set(_STEPS))
_SHORTEST_NUMBER = len("510e13")
_FEWEST_PARTS, _MOST_PARTS = 3, 19
SANE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")

Path = tuple[str | int, ...]
Leaf = tuple[Path, str, bool]


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number that is no plain 64-bit integer, as written: `150.0`, `1e5`, `-0`, forty digits."""

    text: str


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in `body`, its numbers `int` or `Number`.

    Raises Invalid (`json_invalid`) for malformed or ambiguous input, CardDataNotAccepted if any text or number in it is
    a card number. Neither error repeats the input.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise _malformed(error.start, "The body is not UTF-8") from None
    _judge_extent(body)
    value = _parse(text)
    if not isinstance(value, dict):
        raise _malformed(0, "The body must be a JSON object")
    # A backslash can encode any character. Without one, a search of the whole text finds control characters and digits.
    has_escapes = "\\" in text
    if has_escapes or not text.isascii() or _UNPRINTABLE.search(text) or has_enough_digits(text):
        shortest = 1 if has_escapes or _UNPRINTABLE.search(text) else _SHORTEST_NUMBER
        _judge_leaves(list(_leaves(value, ("body",), shortest)))
    return value


def judge_text(text: str, loc: Path, *, lines: bool = True) -> None:
    """Refuse control characters, lone surrogates and card numbers; `lines` permits tabs and line ends.

    Raises Invalid, CardDataNotAccepted.
    """
    if (_UNPRINTABLE if lines else _UNPRINTABLE_OR_LINE_END).search(text):
        raise Invalid([FieldError(loc, f"{loc[min(1, len(loc) - 1)]} contains control characters", "string_unicode")])
    if contains_card_number(text):
        raise card_data(loc)


def card_data(loc: Path) -> CardDataNotAccepted:
    """Return the error for card data at this place. It names the place, not the data."""
    return CardDataNotAccepted([FieldError(loc, CardDataNotAccepted.__doc__ or "", CardDataNotAccepted.code)])


def _judge_leaves(leaves: list[Leaf]) -> None:
    """Check all texts at once, and each one only if something is wrong: there may be thousands."""
    names, values = ("".join(text for _, text, is_name in leaves if is_name == wanted) for wanted in (True, False))
    if _UNPRINTABLE_OR_LINE_END.search(names) or _UNPRINTABLE.search(values):
        for loc, text, is_name in leaves:
            judge_text(text, loc, lines=not is_name)
    found = first_with_card_number([text for _, text, _ in leaves])
    if found is not None:
        raise card_data(leaves[found][0])


def _judge_extent(body: bytes) -> None:
    signs = _STRING.sub(b"", body)
    brackets = signs.translate(None, _NO_BRACKETS)
    if max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > MOST_DEPTH:
        depth = 0
        for token in _TOKEN.finditer(body):
            depth += _STEPS.get(token[0][0], 0)
            if depth > MOST_DEPTH:
                raise _malformed(token.start(), f"The body is nested deeper than {MOST_DEPTH} levels")
    if len(brackets) // 2 + signs.count(b",") > MOST_VALUES:
        raise _malformed(0, f"The body has more than {MOST_VALUES} values")


def _parse(text: str) -> Any:
    names = 0

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal names
        names += len(pairs)
        if names > MOST_NAMES:
            raise _malformed(0, f"The body has more than {MOST_NAMES} fields")
        found = dict(pairs)
        if len(found) < len(pairs):
            raise _malformed(0, "The body names a field twice")
        return found

    try:
        parse_int = _integer if "-0" in text or _LONG_INTEGER.search(text) else int
        return json.loads(
            text, object_pairs_hook=unique, parse_int=parse_int, parse_float=Number, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as error:
        raise _malformed(error.pos, f"The body is not JSON: {error.msg}") from None


def _integer(text: str) -> int | Number:
    if len(text) > len(str(-LARGEST_INTEGER)) or text == "-0":
        return Number(text)
    number = int(text)
    return number if abs(number) <= LARGEST_INTEGER else Number(text)


def _refuse_constant(name: str) -> NoReturn:
    raise _malformed(0, f"The body is not JSON: {name} is no number")


def _leaves(value: Any, path: Path, shortest: int) -> Iterator[Leaf]:
    """Yield every name, and every text of `shortest` characters or more, with its place and True for a name.

    Texts include numbers as written, and the elements of a list joined together.
    """
    if isinstance(value, dict):
        for name, inner in value.items():
            yield path, name, True
            place = (*path, name) if SANE_NAME.fullmatch(name) else path
            if isinstance(inner, dict | list):
                yield from _leaves(inner, place, shortest)
            elif len(text := _as_written(inner)) >= shortest:
                yield place, text, False
        return
    for position, inner in enumerate(value):
        if isinstance(inner, dict | list):
            yield from _leaves(inner, (*path, position), shortest)
        elif len(text := _as_written(inner)) >= shortest:
            yield (*path, position), text, False
    if _FEWEST_PARTS <= len(value) <= _MOST_PARTS and is_number_in_parts(parts := list(map(_as_written, value))):
        yield path, "".join(parts), False


def _as_written(value: Any) -> str:
    """Return a text, or a number as written; "" for other values."""
    if type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    return value.text if isinstance(value, Number) else ""


def _malformed(offset: int, message: str) -> Invalid:
    return Invalid([FieldError(("body", offset), message, _INVALID)])
