"""JSON as a payment service may read it: nothing that two readers could understand differently, or that costs much.

Python's own parser takes NaN, duplicate names, thousands of nested brackets (a crash) and numbers that are rounded or
enormous. Here the depth is judged before parsing, names are unique, and a number that is not a plain 64-bit integer
stays the text it was: only the field it belongs to knows what it means.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from payment_service.domain.cards import ENOUGH_DIGITS, contains_card_number
from payment_service.domain.errors import CardDataNotAccepted, FieldError, Invalid

MOST_DEPTH = 16
MOST_NAMES = 200
LARGEST_INTEGER = 2**63 - 1

_INVALID = "json_invalid"
# A string (also one that never ends), or a bracket. No part of it can match in two ways: linear on any input.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
# C0, DEL, C1 and lone surrogates, which neither the databases nor a log line should see. Tab and line ends may stand
# in a value: whether a field has lines is the field's to say.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_UNPRINTABLE_OR_LINE_END = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SANE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number that is no plain 64-bit integer, as it was written: `150.0`, `1e5`, `-0`, forty digits."""

    text: str


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`, its numbers `int` or `Number`.

    Raises Invalid (`json_invalid`) for whatever is malformed or ambiguous, CardDataNotAccepted where any text or number
    in it is a card number; neither repeats what was sent.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise _malformed(error.start, "The body is not UTF-8") from None
    _judge_depth(body)
    value = _parse(text)
    if not isinstance(value, dict):
        raise _malformed(0, "The body must be a JSON object")
    # Without a backslash, which may spell any of them, control characters and card numbers are seen in the whole text.
    is_harmless = (
        text.isascii() and "\\" not in text and not _UNPRINTABLE.search(text) and not ENOUGH_DIGITS.search(text)
    )
    if not is_harmless:
        for path, leaf, is_name in _leaves(value, ("body",)):
            judge_text(leaf, path, lines=not is_name)
    return value


def judge_text(text: str, loc: Path, *, lines: bool = True) -> None:
    """Refuse control characters, lone surrogates and card numbers; with `lines`, tabs and line ends are let pass."""
    if (_UNPRINTABLE if lines else _UNPRINTABLE_OR_LINE_END).search(text):
        raise Invalid([FieldError(loc, f"{loc[min(1, len(loc) - 1)]} contains control characters", "string_unicode")])
    if contains_card_number(text):
        raise CardDataNotAccepted([FieldError(loc, CardDataNotAccepted.__doc__ or "", CardDataNotAccepted.code)])


def _judge_depth(body: bytes) -> None:
    depth = 0
    for token in _TOKEN.finditer(body):
        if token[0] in (b"[", b"{"):
            depth += 1
            if depth > MOST_DEPTH:
                raise _malformed(token.start(), f"The body is nested deeper than {MOST_DEPTH} levels")
        elif token[0] in (b"]", b"}"):
            depth -= 1


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
        return json.loads(
            text, object_pairs_hook=unique, parse_int=_integer, parse_float=Number, parse_constant=_refuse_constant
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


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, str, bool]]:
    """Every text in it with its place and whether it is a name, and the digits before every number's point."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield path, name, True
            yield from _leaves(inner, (*path, name) if _SANE_NAME.fullmatch(name) else path)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _leaves(inner, (*path, position))
    elif isinstance(value, str):
        yield path, value, False
    elif isinstance(value, Number):
        yield path, value.text.partition(".")[0], False
    elif type(value) is int:
        yield path, str(value), False


def _malformed(offset: int, message: str) -> Invalid:
    return Invalid([FieldError(("body", offset), message, _INVALID)])
