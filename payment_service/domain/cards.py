"""Card numbers do not belong here: find one in any text, in any spelling.

A card number has 13 to 19 digits, begins with a card issuer's range, has one of its lengths and passes the Luhn check,
once the separators between its digits are gone. The search counts digits of every script, reads percent escapes and
numeric HTML escapes, and judges a number in scientific notation by its value. A text with such a number is refused or
masked, unless the digits are a known lookalike (`card_lookalikes`). SECURITY.md lists the spellings that it misses.
"""

import html
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import accumulate, repeat
from urllib.parse import unquote

from payment_service.domain.card_issuers import BEGINNINGS, is_issued
from payment_service.domain.card_lookalikes import is_list, is_lookalike

MASKED = "[masked]"
"""The text in place of a card number."""

_SHORTEST, _LONGEST = 13, 19
# A body's JSON has up to four characters between the digits of a list: `4", "1`.
ENOUGH_DIGITS = re.compile(r"[0-9](?:[^0-9A-Za-z]{0,4}[0-9]){12}|[0-9]{6}[eE][-+]?[0-9]|%[2-9A-Fa-f][0-9A-Fa-f]")
"""Every ASCII text with a card number matches this."""
_SEPARATORS = r"[^0-9A-Za-z]{0,3}"
_CHAIN = re.compile(rf"(?<![0-9])[0-9](?:{_SEPARATORS}[0-9]){{12,}}+")
_MOST_CHAINED = _LONGEST + 3 * (_LONGEST - 1)
# Digits of one thing: "4111-1111, 2025" are two.
_JOINED = re.compile(r"(?<![0-9])[0-9](?:[ _./-]?[0-9]){12,}+")
_GROUP = re.compile("[0-9]+")
_NUMBER = re.compile("(?<![0-9])(?:000+)?([1-9][0-9]{12,18})(?![0-9])")
_SCIENTIFIC = re.compile(
    r"(?<![0-9A-Za-z.])(?=[0-9.]{6})([0-9]++)(?:\.([0-9]*+))?[eE]([-+]?[0-9]{1,2})(?![0-9A-Za-z.])"
)
_DOUBLED = str.maketrans("0123456789", "0246813579")
_CHAIN_OF_ANY_SCRIPT = re.compile(r"\d(?:[^0-9A-Za-z]{0,4}\d)*+")
_MOST_CANDIDATES = 300
"""Each fails the check nine times in ten: a text with more of them, and no card number, was made to take time."""
_SMALLEST_GROUP, _LARGEST_EVEN_GROUP, _FEW_GROUPS = 3, 4, 5
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
    """Return whether a card number stands anywhere in the text. Linear in its length; never echoes or keeps it."""
    if text.isascii() and not ENOUGH_DIGITS.search(text):
        return False
    return any(_is_in(reading) for reading in _readings(text))


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
    return (is_even or _PRINTED[len(digits)].match(sizes) is not None) and _is_card(digits) and not is_list(parts)


def _readings(text: str) -> Iterator[str]:
    """Yield the text in ASCII, as it stands and without its escapes."""
    yield (plain := _ascii(text))
    if "%" in plain:
        yield _ascii(unquote(plain))
    if "&#" in plain:
        yield _ascii(html.unescape(plain))


def _ascii(text: str) -> str:
    """Return the text in ASCII: invisible characters gone, any script's digits as 0-9, letters as x, the rest blank."""
    if text.isascii():
        return text
    return text.translate({ord(char): "x" if char.isalpha() else _plain(char) for char in set(text) if char > "\x7f"})


def _plain(char: str) -> str:
    digit = unicodedata.digit(char, None)
    if digit is not None:
        return str(digit)
    category = unicodedata.category(char)
    if category in {"Cf", "Mn", "Me"}:
        return ""
    return "x" if category[0] in "LN" else "-" if category == "Pd" else " "


def _is_in(text: str) -> bool:
    """Return whether an ASCII text has a card number that is no lookalike."""
    seen = 0
    for digits, start, end in _candidates(text):
        if is_issued(digits):
            seen += 1
            if seen > _MOST_CANDIDATES or (_luhn(digits) and not is_lookalike(text, start, end)):
                return True
    return False


def _candidates(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield digits that may be meant as one number, with their begin and end."""
    for number in _NUMBER.finditer(text):
        yield number[1], number.start(1), number.end(1)
    for number in _SCIENTIFIC.finditer(text) if "e" in text or "E" in text else ():
        yield _value(*number.groups(default="")), number.start(), number.end()
    for chain in _CHAIN.finditer(text):
        yield from _whole(chain)
        yield from _neighbours(chain)
        for part in _JOINED.finditer(text, chain.start(), chain.end()):
            if part.span() != chain.span():
                yield from _whole(part)


def _value(whole: str, fraction: str, exponent: str) -> str:
    """Return the digits before the point of a number in scientific notation; none if they are too many or too few."""
    point = len(whole) + int(exponent)
    if not 0 < point <= _LONGEST:
        return ""
    return (whole + fraction).ljust(point, "0")[:point]


def _whole(chain: re.Match[str]) -> Iterator[tuple[str, int, int]]:
    """Yield all the digits of a chain as one number, in groups of any size.

    Groups of one or two digits must be even or few: otherwise every list of sizes would be one number.
    """
    if chain.end() - chain.start() > _MOST_CHAINED:
        return
    groups = _GROUP.findall(chain[0])
    if len(groups) == 1 or sum(map(len, groups)) > _LONGEST:
        return
    sizes = {len(group) for group in groups[:-1]}
    is_written = (len(sizes) == 1 or len(groups) <= _FEW_GROUPS) and "," not in chain[0] and ";" not in chain[0]
    if min(sizes) >= _SMALLEST_GROUP or is_written:
        yield "".join(groups), chain.start(), chain.end()


def _neighbours(chain: re.Match[str]) -> Iterator[tuple[str, int, int]]:
    """Yield neighbouring groups in sizes of printed cards, among others: after an order's number, before a date."""
    if not _LARGE_GROUPS.search(chain[0]):
        return
    groups, spans = _GROUP.findall(chain[0]), list[tuple[int, int]]()
    for block in range(0, len(groups), _BLOCK):
        for first, last, digits in _in_printed_groups(groups[block : block + _BLOCK + _LONGEST]):
            spans = spans or [group.span() for group in _GROUP.finditer(chain[0])]
            start, end = spans[block + first][0], spans[block + last][1]
            yield digits, chain.start() + start, chain.start() + end


def _in_printed_groups(groups: list[str]) -> Iterator[tuple[int, int, str]]:
    """Yield the first and last group of each possible card number, by sizes and beginning, and its digits."""
    sizes = bytes(map(min, map(len, groups), repeat(255)))
    digits, offsets = "".join(groups), [0, *accumulate(map(len, groups))]
    for length, pattern in _PRINTED.items():
        beginnings = BEGINNINGS[length]
        for found in pattern.finditer(sizes):
            begin = offsets[found.start()]
            if digits[begin : begin + 2] in beginnings and is_issued(number := digits[begin : begin + length]):
                yield found.start(), bisect_left(offsets, begin + length) - 1, number


def _is_card(digits: str) -> bool:
    return is_issued(digits) and _luhn(digits)


def _luhn(digits: str) -> bool:
    return sum(map(int, digits[-1::-2] + digits[-2::-2].translate(_DOUBLED))) % 10 == 0
