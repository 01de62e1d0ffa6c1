"""Card numbers do not belong here: find one in any text, however it is spelled.

A card number is 13 to 19 decimal digits of any script, alone or separated by blanks, dashes or dots, Luhn-valid, that
begin with a card issuer's range and have one of its lengths. What merely looks alike is let pass: UUIDs, hexadecimal
digests, bank accounts (IBAN), telephone numbers and decimal numbers; dates and clock readings begin with no range.
"""

import re
import unicodedata
from collections.abc import Iterator

_ALL = range(13, 20)
_SIXTEEN_UP = range(16, 20)
_SIXTEEN = range(16, 17)

# First and last prefix of a range, and the lengths its cards have.
_RANGES: tuple[tuple[str, str, tuple[int, ...] | range], ...] = (
    ("4", "4", (13, 16, 18, 19)),  # Visa
    ("51", "55", _SIXTEEN),  # Mastercard
    ("2221", "2720", _SIXTEEN),
    ("34", "34", (15,)),  # American Express
    ("37", "37", (15,)),
    ("300", "305", (14, 16, 17, 18, 19)),  # Diners Club
    ("3095", "3095", (14, 16, 17, 18, 19)),
    ("36", "36", range(14, 20)),
    ("38", "39", (14, 16, 17, 18, 19)),
    ("6011", "6011", _SIXTEEN_UP),  # Discover
    ("644", "659", _SIXTEEN_UP),
    ("3528", "3589", _SIXTEEN_UP),  # JCB
    ("62", "62", _SIXTEEN_UP),  # UnionPay
    ("8100", "8171", _SIXTEEN_UP),
    ("5018", "5018", _ALL),  # Maestro
    ("5020", "5020", _ALL),
    ("5038", "5038", _ALL),
    ("5893", "5893", _ALL),
    ("6304", "6304", _ALL),
    ("6759", "6759", _ALL),
    ("6761", "6763", _ALL),
    ("5019", "5019", _SIXTEEN),  # Dankort
    ("508500", "508999", _SIXTEEN),  # RuPay
    ("606985", "608500", _SIXTEEN),
    ("817200", "820199", _SIXTEEN),
    ("2200", "2205", _SIXTEEN_UP),  # Mir, BORICA
    ("504175", "504175", _SIXTEEN),  # Elo
    ("506699", "506778", _SIXTEEN),
    ("509000", "509999", _SIXTEEN),
    ("636297", "636368", _SIXTEEN),
    ("606282", "606282", _SIXTEEN_UP),  # Hipercard
    ("637", "639", _SIXTEEN),  # InstaPayment
    ("506099", "506198", _SIXTEEN_UP),  # Verve
    ("5614", "5614", _SIXTEEN),  # Uzcard, Humo
    ("8600", "8600", _SIXTEEN),
    ("9860", "9860", _SIXTEEN),
    ("9792", "9792", _SIXTEEN),  # Troy
)

# Blanks, dashes and dots, up to three between two digits ("4111 - 1111").
_BETWEEN = r"[\s\-.\u00b7\u2010-\u2015\u2022\u2212]{0,3}"
_CHAIN = re.compile(rf"[0-9](?:{_BETWEEN}[0-9])*")
ENOUGH_DIGITS = re.compile(rf"[0-9](?:{_BETWEEN}[0-9]){{12}}")
"""What every text with a card number in ASCII digits has."""
_GROUP = re.compile(r"[0-9]+")
_UUID = "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_HEXADECIMAL = re.compile(rf"(?<![0-9a-z])(?:{_UUID}|[0-9a-f]{{16}}(?:[0-9a-f]{{8}})*)(?![0-9a-z])", re.IGNORECASE)
_IBAN = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]{1,4}){3,8}")
# 12.5200065999999987 is a coordinate, 300012345678.95 an amount: a decimal point stands between two unequal parts.
_DECIMAL_NUMBER = re.compile(r"[0-9]{1,3}\.[0-9]+|[0-9]+\.[0-9]{1,3}")
_LONGEST_TELEPHONE_NUMBER = 15  # digits, E.164
_SMALLEST_GROUP, _LARGEST_GROUP = 3, 4
_MOST_PRINTED_GROUPS = _ALL[-1] // _SMALLEST_GROUP
# American Express, Diners Club, Visa and Maestro of 13, 18 and 19 digits.
_UNEVEN = ([4, 6, 5], [4, 6, 4], [4, 6, 4, 3], [4, 3, 3, 3], [6, 6, 6], [6, 13])


def contains_card_number(text: str) -> bool:
    """Whether a card number stands anywhere in the text. Linear in its length; never echoes or keeps it."""
    plain = text if text.isascii() else _ascii_digits(text)
    if not ENOUGH_DIGITS.search(plain):
        return False
    plain = _IBAN.sub(_without_iban, _HEXADECIMAL.sub(_without_digest, plain))
    return any(_is_card_number(digits) for chain in _CHAIN.finditer(plain) for digits in _candidates(chain))


def _ascii_digits(text: str) -> str:
    """Compatibility forms (full width, circled) resolved, digits of every script as 0-9, invisible characters gone."""
    return "".join(
        str(unicodedata.decimal(char)) if char.isdecimal() else char
        for char in unicodedata.normalize("NFKC", text)
        if unicodedata.category(char) != "Cf"
    )


def _without_digest(match: re.Match[str]) -> str:
    """A digest or UUID is taken out. With less than two letters it may be a card number after a letter, and stays."""
    return match[0] if sum(map(str.isalpha, match[0])) < 2 else "x"


def _without_iban(match: re.Match[str]) -> str:
    """An account number (mod 97 = 1) is taken out; what follows it on the line was swept along and is given back."""
    words = match[0].split(" ")
    for end in range(len(words), 0, -1):
        account = "".join(words[:end])
        turned = account[4:] + account[:4]
        if len(account) >= 15 and int("".join(str(int(char, 36)) for char in turned)) % 97 == 1:
            return " ".join(["x", *words[end:]])
    return match[0]


def _candidates(chain: re.Match[str]) -> Iterator[str]:
    """The digits that may be meant as one number: a group by itself, and neighbouring groups as cards print them.

    Groups of other sizes are no card's: an idempotency key like `shop-41234567-12-1795173182` would else be taken for
    one as often as its digits happen to pass the check.
    """
    if _DECIMAL_NUMBER.fullmatch(chain[0]):
        return
    groups = _GROUP.findall(chain[0])
    telephone = chain.string[: chain.start()].endswith("+")
    if telephone and sum(map(len, groups)) <= _LONGEST_TELEPHONE_NUMBER:
        return
    yield from groups
    if len(groups) <= _ALL[-1] and _is_printed(groups):
        yield "".join(groups)
    for first in range(len(groups)):
        for end in range(first + 2, first + _MOST_PRINTED_GROUPS + 1):
            run = groups[first:end]
            if len(run[0]) >= _SMALLEST_GROUP and _is_printed(run):
                yield "".join(run)


def _is_printed(groups: list[str]) -> bool:
    """Whether cards are printed, or their numbers typed, in groups of these sizes: 4 4 4 4, 4 6 5, 1 1 1 1 and so on.

    A run of groups of one or two digits must be the whole chain: else every list of sizes or lottery numbers would be
    searched until a card number is found in it.
    """
    sizes = [len(group) for group in groups]
    even = sizes[0] <= _LARGEST_GROUP and set(sizes[:-1]) <= {sizes[0]} and sizes[-1] <= sizes[0]
    return even or sizes in _UNEVEN


def _is_card_number(digits: str) -> bool:
    return len(digits) in _ALL and _is_issued(digits) and _luhn(digits)


def _is_issued(digits: str) -> bool:
    return any(low <= digits[: len(low)] <= high and len(digits) in lengths for low, high, lengths in _RANGES)


def _luhn(digits: str) -> bool:
    values = [int(digit) for digit in reversed(digits)]
    doubled = (value * 2 - 9 if value > 4 else value * 2 for value in values[1::2])
    return (sum(values[::2]) + sum(doubled)) % 10 == 0
