"""Card numbers do not belong here: find one in any text, in any spelling.

A card number has 13 to 19 digits, begins with a card issuer's range, has one of its lengths and passes the Luhn check,
once the separators between its digits are gone. The search counts digits of every script, reads percent escapes and
numeric HTML escapes, and judges a number in scientific notation by its value. A text with such a number is refused or
masked, unless the digits are a known lookalike (`card_lookalikes`). SECURITY.md lists the spellings that it misses.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, islice, repeat

from payment_service.domain.card_issuers import BEGINNINGS, is_issued
from payment_service.domain.card_lookalikes import is_list, is_lookalike
from payment_service.domain.card_readings import readings

MASKED = "[masked]"
"""The text in place of a card number."""

_SHORTEST, _LONGEST = 13, 19
_SHORTEST_TEXT = len("510e13")


def _chains(separators: str) -> re.Pattern[str]:
    """Return a pattern whose group is the next 13 digits or more with such separators, or None at the text's end.

    It also consumes shorter chains before that, so that no digit is looked at again and again.
    """
    more = f"(?:{separators}[0-9])"
    shorter = rf"[0-9]{more}{{0,{_SHORTEST - 2}}}+(?!{separators}[0-9])"
    return re.compile(rf"(?:[^0-9]++|{shorter})*+([0-9]{more}{{{_SHORTEST - 1},}}+)?")


_CHAIN = _chains("[^0-9A-Za-z]{0,3}")
_MOST_CHAINED = _LONGEST + 3 * (_LONGEST - 1)
# Digits of one thing: "4111-1111, 2025" are two.
_JOINED = _chains("[ _./-]?")
_UNDIVIDED = _chains("")
# A body's JSON has up to four characters between the digits of a list: `4", "1`.
_CHAIN_IN_JSON = _chains("[^0-9A-Za-z]{0,4}")
_EXPONENT = re.compile(r"[eE](?<=[0-9.]{3}.)[-+]?[0-9]")
_GROUP = re.compile("[0-9]+")
_NUMBER = re.compile("(?:000+)?([1-9][0-9]{12,18})")
_SCIENTIFIC = re.compile(
    r"(?<![0-9A-Za-z.])(?=[0-9.]{3})([0-9]++)(?:\.([0-9]*+))?[eE]([-+]?[0-9]{1,2})(?![0-9A-Za-z.])"
)
_ESCAPED = re.compile("%[2-9A-Fa-f][0-9A-Fa-f]")
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")
_CHAIN_OF_ANY_SCRIPT = re.compile(r"\d(?:[^0-9A-Za-z]{0,4}\d)*+")
_BETWEEN = "\x1ex\x1e"
"""Between texts that are searched at once: no part of a number, and a control character, which no text may have."""
_MOST_EFFORT = 6000
"""About a microsecond each. A text that needs more, and has no card number, was made to take time."""
_NUMBER_EFFORT, _CHAIN_EFFORT, _CHECK_EFFORT, _LOOKALIKE_EFFORT = 4, 3, 4, 100
_CHARACTERS_AN_EFFORT = 12
Candidate = tuple[str, int, int, int]
"""Digits, their begin and end in the text, and the effort to find them. Without digits: effort alone."""
_SMALLEST_GROUP, _LARGEST_EVEN_GROUP, _FEW_GROUPS = 3, 4, 5
_PARTS, _LEADING = 4, b"\4\4\4"
_BLOCK = 500
"""Groups of digits that one look covers."""
_LARGE_GROUPS = re.compile("[0-9]{3}[^0-9A-Za-z]{1,3}[0-9]{3}")


def _printed(length: int) -> re.Pattern[bytes]:
    """Return a pattern of group sizes, a byte each, in which numbers of this length are printed or typed."""
    even = (bytes([size] * (length // size) + [length % size] * (length % size > 0)) for size in (3, 4))
    sizes = sorted({*even, *(each for each in _UNEVEN if sum(each) == length)})
    return re.compile(b"(?=" + b"|".join(map(re.escape, sizes)) + b")")


# American Express, UATP, Diners Club, old and long numbers of Visa and Maestro, and people's ways to group 16 digits.
_UNEVEN = [bytes(map(int, sizes)) for sizes in ("465", "456", "464", "4333", "4643", "666", "88", "555", "5551", "664")]
_UNEVEN += [bytes([6, 10]), bytes([6, 13])]
_PRINTED = {length: _printed(length) for length in range(_SHORTEST, _LONGEST + 1)}


def contains_card_number(text: str) -> bool:
    """Return whether a card number stands anywhere in the text. Never echoes or keeps it."""
    if text.isascii() and not has_enough_digits(text):
        return False
    return first_with_card_number([text]) is not None


def first_with_card_number(texts: Sequence[str]) -> int | None:
    """Return the position of the first text with a card number; None if there is none. Linear in their length."""
    text = _BETWEEN.join(texts)
    effort = 0
    for reading in readings(text):
        end, effort = _search(reading, effort)
        if end is not None:
            return min(reading.count(_BETWEEN, 0, end), len(texts) - 1)
    return None


def has_enough_digits(text: str) -> bool:
    """Return True for every ASCII text or JSON with a card number, and for few others."""
    if len(text) < _SHORTEST_TEXT:
        return False
    if "&#" in text or _ESCAPED.search(text) or _EXPONENT.search(text):
        return True
    return (chain := _CHAIN_IN_JSON.match(text)) is not None and chain[1] is not None


def masked(text: str) -> str:
    """Mask every card number in the text. If only another spelling of the text shows one, return the mask alone."""
    if not contains_card_number(text):
        return text
    text = _CHAIN_OF_ANY_SCRIPT.sub(lambda chain: MASKED if contains_card_number(chain[0]) else chain[0], text)
    return MASKED if contains_card_number(text) else text


def without_card_number(draw: Callable[[], str]) -> str:
    """Return the first drawn text without a card number: callers could not send back an id that looks like one."""
    while contains_card_number(text := draw()):
        pass
    return text


def is_number_in_parts(parts: list[str]) -> bool:
    """Return whether parts from different places are one card number, in groups in which cards are printed."""
    digits = "".join(parts)
    if not (_SHORTEST <= len(digits) <= _LONGEST and digits.isascii() and digits.isdigit()):
        return False
    sizes = bytes(map(len, parts))
    is_even = len(set(sizes[:-1])) == 1 and sizes[-1] <= sizes[0] <= _LARGEST_EVEN_GROUP
    is_even |= len(sizes) == _PARTS and sizes.startswith(_LEADING)  # fields for four, four, four and the rest
    return (is_even or _PRINTED[len(digits)].match(sizes) is not None) and _is_card(digits) and not is_list(parts)


def _search(text: str, effort: int) -> tuple[int | None, int]:
    """Return the end of a card number in an ASCII text, or of too much effort; None for none. And the effort so far."""
    for digits, start, end, cost in _candidates(text):
        effort += cost
        if is_issued(digits):
            effort += _CHECK_EFFORT
            if _luhn(digits):
                effort += _LOOKALIKE_EFFORT
                if effort <= _MOST_EFFORT and not is_lookalike(text, start, end):
                    return end, effort
        if effort > _MOST_EFFORT:
            return end, effort
    return None, effort


def _candidates(text: str) -> Iterator[Candidate]:
    """Yield digits that may be meant as one number."""
    for written in _SCIENTIFIC.finditer(text) if _EXPONENT.search(text) else ():
        yield _value(*written.groups(default="")), written.start(), written.end(), _NUMBER_EFFORT
    for start, end in _spans(_CHAIN, text, 0, len(text)):
        yield "", start, end, _CHAIN_EFFORT + (end - start) // _CHARACTERS_AN_EFFORT
        for run in _spans(_UNDIVIDED, text, start, end):
            if number := _NUMBER.fullmatch(text, *run):
                yield number[1], *number.span(1), _NUMBER_EFFORT
        if not text[start:end].isdigit():
            yield from _whole(text, start, end)
            yield from _neighbours(text, start, end)
            for part in _spans(_JOINED, text, start, end):
                if part != (start, end):
                    yield from _whole(text, *part)


def _spans(pattern: re.Pattern[str], text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    return (found.span(1) for found in pattern.finditer(text, start, end) if found[1])


def _value(whole: str, fraction: str, exponent: str) -> str:
    """Return the digits before the point of a number in scientific notation; none if they are too many or too few."""
    point = len(whole) + int(exponent)
    if not 0 < point <= _LONGEST:
        return ""
    return (whole + fraction).ljust(point, "0")[:point]


def _whole(text: str, start: int, end: int) -> Iterator[Candidate]:
    """Yield all the digits of a chain as one number, in groups of any size.

    Groups of one or two digits must be even or few: otherwise every list of sizes would be one number.
    """
    yield "", start, end, _NUMBER_EFFORT
    if end - start > _MOST_CHAINED:
        return
    groups = _GROUP.findall(text, start, end)
    if len(groups) == 1 or sum(map(len, groups)) > _LONGEST:
        return
    sizes, chain = {len(group) for group in groups[:-1]}, text[start:end]
    is_written = (len(sizes) == 1 or len(groups) <= _FEW_GROUPS) and "," not in chain and ";" not in chain
    if min(sizes) >= _SMALLEST_GROUP or is_written:
        yield "".join(groups), start, end, _NUMBER_EFFORT


def _neighbours(text: str, start: int, end: int) -> Iterator[Candidate]:
    """Yield neighbouring groups in sizes of printed cards, among others: after an order's number, before a date."""
    if not _LARGE_GROUPS.search(text, start, end):
        return
    found, groups = _GROUP.finditer(text, start, end), list[re.Match[str]]()
    while more := list(islice(found, _BLOCK)):
        groups = groups[-_LONGEST:] + more
        yield "", start, groups[-1].end(), _CHAIN_EFFORT + len(groups)
        for first, last, digits in _in_printed_groups([group[0] for group in groups]):
            yield digits, groups[first].start(), groups[last].end(), _NUMBER_EFFORT


def _in_printed_groups(groups: list[str]) -> Iterator[tuple[int, int, str]]:
    """Yield the first and last group of each possible card number, by sizes and beginning, and its digits."""
    sizes = bytes(map(min, map(len, groups), repeat(255)))
    digits, offsets = "".join(groups), [0, *accumulate(map(len, groups))]
    for length, pattern in _PRINTED.items():
        beginnings = BEGINNINGS[length]
        for found in pattern.finditer(sizes):
            begin = offsets[found.start()]
            if digits[begin : begin + 2] in beginnings:
                yield found.start(), bisect_left(offsets, begin + length) - 1, digits[begin : begin + length]


def _is_card(digits: str) -> bool:
    return is_issued(digits) and _luhn(digits)


def _luhn(digits: str) -> bool:
    codes = digits.encode()
    return (sum(codes[-1::-2]) + sum(codes[-2::-2].translate(_DOUBLED)) - len(codes) * ord("0")) % 10 == 0
