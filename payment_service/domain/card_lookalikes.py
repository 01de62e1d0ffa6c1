"""Digits that pass a card number's check one time in ten, and are no card number.

UUIDs, digests, bank accounts, moments, telephone numbers, amounts, addresses, and the numbers of parcels, orders,
companies and people that a fixed form gives away.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

_MONTH_DAY = "(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_DAY_MONTH = "(?:0[1-9]|[12][0-9]|3[01])(?:0[1-9]|1[0-2])"
_YEAR = "(?:19|20)[0-9]{2}"
_CLOCK = "(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]"
_START, _END = "(?<![0-9])", "(?![0-9])"
_FORMS = (
    # Moments: 20251120, 20251120072012145, 30112025, 30112025072012, 2511200720121234, 30.11.2025, 07:20:12.5
    rf"{_START}{_YEAR}{_MONTH_DAY}(?:{_CLOCK}[0-9]{{0,6}})?{_END}",
    rf"{_START}{_DAY_MONTH}{_YEAR}(?:{_CLOCK})?{_END}",
    rf"{_START}2[0-9]{_MONTH_DAY}{_CLOCK}[0-9]{{0,4}}{_END}",
    rf"{_START}[0-9]{{1,2}}(?P<dmy>[-./])[0-9]{{1,2}}(?P=dmy){_YEAR}{_END}",
    rf"{_START}{_YEAR}(?P<ymd>[-./])[0-9]{{1,2}}(?P=ymd)[0-9]{{1,2}}{_END}",
    r"(?<![0-9:])[0-9]{1,2}:[0-5][0-9]:[0-5][0-9](?:[.,][0-9]{1,9})?(?![0-9:])",
    # Seconds since 1970, from 2014 to 2033, or their thousandths, millionths, billionths.
    rf"{_START}1[4-9][0-9]{{8}}(?:[0-9]{{3}}){{0,3}}{_END}",
    # Decimal numbers: coordinates, and amounts below a million million.
    r"(?<![0-9.])[0-9]{1,3}\.[0-9]{4,}(?![0-9.]|[eE][-+]?[0-9])",
    r"(?<![0-9.,])[0-9]{1,12}\.[0-9]{1,3}(?![0-9.]|[eE][-+]?[0-9])",
    r"(?<![0-9.,'])[0-9]{1,3}(?:[, '][0-9]{3}){1,3}\.[0-9]{1,3}(?![0-9.,'])",
    r"(?<![0-9.,])[0-9]{1,3}(?:[. ][0-9]{3}){1,3},[0-9]{1,3}(?![0-9.,])",
    # Telephone numbers with their country (E.164), and network addresses.
    r"(?<![0-9A-Za-z])\+[0-9](?:[ ()./-]{0,2}[0-9]){6,14}(?![ ()./-]{0,2}[0-9])",
    r"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.])",
    "(?<![0-9A-Za-z])[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}(?![0-9A-Za-z])",
    # Parcels (UPS, YunExpress, USPS), orders at Amazon.
    r"(?<![0-9A-Za-z])(?:1Z[0-9A-Z]{16}|YT[0-9]{16})(?![0-9A-Za-z])",
    rf"{_START}9[1-5][0-9]{{2}}(?: ?[0-9]{{4}}){{4}} ?[0-9]{{2}}{_END}",
    rf"{_START}[0-9]{{3}}-[0-9]{{7}}-[0-9]{{7}}{_END}",
    # Companies: CNPJ (Brazil), SIRET (France), which has the same check digit as a card.
    rf"{_START}[0-9]{{2}}\.[0-9]{{3}}\.[0-9]{{3}}/[0-9]{{4}}-[0-9]{{2}}{_END}",
    rf"{_START}(?:[0-9]{{8}}000[1-9][0-9]{{2}}|[0-9]{{9}}000(?:[0-9][1-9]|[1-9]0)){_END}",
    # People: 18 digits with their day of birth in China; 13 digits that begin with it in South Africa and Korea.
    rf"{_START}[1-8][0-9]{{5}}{_YEAR}{_MONTH_DAY}[0-9]{{4}}{_END}",
    rf"{_START}4[0-9]{_MONTH_DAY}-?[0-9]{{7}}{_END}",
    # Mobile telephones in Germany and Austria without a plus sign: 13 digits, as old numbers of Visa have.
    rf"{_START}4(?:91[567]|36[5-9])(?:[ /-]?[0-9]){{9}}{_END}",
)
_LOOKALIKE = re.compile("|".join(_FORMS))
_IBAN = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]{1,4}){3,8}")
_DIGEST = re.compile("[0-9a-fA-F]{16}(?:[0-9a-fA-F]{8})*")
_WORD_BEFORE, _WORD_AFTER = re.compile(r"[0-9A-Za-z]*\Z"), re.compile("[0-9A-Za-z]*")
_AROUND = 48
"""Characters before and after a number that may belong to the same thing."""
_LONGEST_DIGEST = 128
_BARCODE = 13
_GROUP = re.compile("[0-9]+")
_FEWEST_IN_LIST = 4


def is_lookalike(text: str, start: int, end: int) -> bool:
    """Return whether the digits from `start` to `end` of an ASCII text are, or overlap, something that is no card.

    Looks at their neighbourhood only, so that it takes no longer in a longer text.
    """
    if text[start:end].isdigit() and (_is_barcode(text[start:end]) or _is_in_digest(text, start, end)):
        return True
    if is_list(_GROUP.findall(text, start, end)):
        return True
    first, last = max(0, start - _AROUND), min(len(text), end + _AROUND)
    # The fraction of a number in scientific notation is nothing on its own.
    has_exponent = not {"e", "E"}.isdisjoint(text[start:end])
    for each in _LOOKALIKE.finditer(text, first, last):
        if each.start() < end and start < each.end() and not (has_exponent and each.start() > start):
            return True
    ibans = (each for each in _IBAN.finditer(text, first, last) if each.start() < end and start < each.end())
    return any(start < each.start() + _account(each[0]) for each in ibans)


def is_list(groups: Sequence[str]) -> bool:
    """Return whether groups of digits count upwards or downwards in even steps, as seats, sizes and years do."""
    numbers = [int(group) for group in groups]
    steps = {after - before for before, after in pairwise(numbers)}
    return len(groups) >= _FEWEST_IN_LIST and len(steps) == 1 and steps != {0}


def _is_in_digest(text: str, start: int, end: int) -> bool:
    """Return whether their word is a digest. With less than two letters it may be a card number after a letter."""
    before, after = _WORD_BEFORE.search(text[max(0, start - _LONGEST_DIGEST) : start]), _WORD_AFTER.match(text, end)
    word = (before[0] if before else "") + text[start:end] + (after[0][:_LONGEST_DIGEST] if after else "")
    return sum(map(str.isalpha, word)) > 1 and _DIGEST.fullmatch(word) is not None


def _is_barcode(digits: str) -> bool:
    """Return whether it is an article's number (EAN, GTIN-13) by its check digit: weights 1 and 3 in turn."""
    return len(digits) == _BARCODE and (sum(map(int, digits[::2])) + 3 * sum(map(int, digits[1::2]))) % 10 == 0


def _account(text: str) -> int:
    """Return the length of the bank account at its beginning (mod 97 = 1), 0 for none: the match may be too long."""
    words = text.split(" ")
    for count in range(len(words), 0, -1):
        account = "".join(words[:count])
        turned = account[4:] + account[:4]
        if len(account) >= 15 and int("".join(str(int(char, 36)) for char in turned)) % 97 == 1:
            return len(" ".join(words[:count]))
    return 0
