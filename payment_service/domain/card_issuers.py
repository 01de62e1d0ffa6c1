"""The number ranges of card schemes: first digits, and the lengths of the scheme's cards.

ISO/IEC 7812 gives the first digits to issuers. A local scheme with numbers from 4 or 51 to 55 is in the range of Visa
or Mastercard, and issues its cards under their licence: mada, Dankort, Elo, Cartes Bancaires, girocard, Interac.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

_SIXTEEN = (16,)
_SIXTEEN_UP = (16, 17, 18, 19)
_DINERS = (14, 16, 17, 18, 19)
_ALL = (13, 14, 15, 16, 17, 18, 19)

RANGES: Sequence[tuple[str, str, str, Sequence[int]]] = (
    ("Visa", "4", "4", (13, 16, 18, 19)),
    ("Mastercard", "51", "55", _SIXTEEN),
    ("Mastercard", "2221", "2720", _SIXTEEN),
    ("American Express", "34", "34", (15,)),
    ("American Express", "37", "37", (15,)),
    ("Diners Club", "300", "305", _DINERS),
    ("Diners Club", "3095", "3095", _DINERS),
    ("Diners Club", "36", "36", (14, 15, 16, 17, 18, 19)),
    ("Diners Club, Hipercard", "38", "39", _DINERS),
    ("JCB, RuPay, LankaPay", "3528", "3589", _SIXTEEN_UP),
    ("UATP", "1001", "1999", (15,)),  # 1, and the number of an airline
    ("Maestro", "5018", "5018", _ALL),
    ("Maestro", "5020", "5020", _ALL),
    ("Maestro", "5038", "5038", _ALL),
    ("Maestro", "5893", "5893", _ALL),
    ("Maestro", "6304", "6304", _ALL),
    ("Maestro", "6759", "6759", _ALL),
    ("Maestro", "6761", "6763", _ALL),
    ("Maestro, Dankort, Verve, Meeza, Elo, RuPay, Carnet, Shetab", "50", "50", _SIXTEEN_UP),
    ("Maestro, mada, Uzcard, Cabal, Naranja, Shetab", "56", "58", _SIXTEEN_UP),
    ("Discover, RuPay, Hipercard, mada, Ukrcard, Cabal, Shetab", "60", "60", _SIXTEEN_UP),
    ("Shetab", "610433", "610433", _SIXTEEN),
    ("UnionPay, Discover, Elo, Carnet", "62", "62", _SIXTEEN_UP),
    ("Maestro, Elo, mada, InstaPayment, InterPayment, Laser", "63", "63", _SIXTEEN_UP),
    ("Discover, Verve, RuPay, Troy, Elo", "644", "659", _SIXTEEN_UP),
    ("Maestro, Laser, Solo", "67", "67", _SIXTEEN_UP),
    ("UnionPay", "8100", "8171", _SIXTEEN_UP),
    ("RuPay", "8172", "8201", _SIXTEEN),
    ("Mir, BORICA, PayPak", "2200", "2205", _SIXTEEN_UP),
    ("Carnet", "2869", "2869", _SIXTEEN),
    ("GPN", "1946", "1946", _SIXTEEN),
    ("Uzcard", "8600", "8600", _SIXTEEN),
    ("ArCa", "9051", "9051", _SIXTEEN),
    ("Belkart", "9112", "9112", _SIXTEEN),
    ("mada", "968201", "968211", _SIXTEEN),
    ("Napas", "9704", "9704", (16, 19)),
    ("Troy", "9792", "9792", _SIXTEEN),
    ("Humo", "9860", "9860", _SIXTEEN),
)
"""Scheme, first and last prefix, lengths."""

_PREFIX = 6


def is_issued(digits: str) -> bool:
    """Return whether a card scheme issues numbers of this length that begin so."""
    lows, highs = _BY_LENGTH.get(len(digits), ((), ()))
    prefix = digits[:_PREFIX]
    at = bisect_right(lows, prefix) - 1
    return at >= 0 and prefix <= highs[at]


def _merged(ranges: Iterable[tuple[str, str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    lows: list[str] = []
    highs: list[str] = []
    for low, high in sorted(ranges):
        if highs and low <= highs[-1]:
            highs[-1] = max(highs[-1], high)
        else:
            lows.append(low)
            highs.append(high)
    return tuple(lows), tuple(highs)


_BY_LENGTH = {
    length: _merged(
        (low.ljust(_PREFIX, "0"), high.ljust(_PREFIX, "9")) for _, low, high, lengths in RANGES if length in lengths
    )
    for length in _ALL
}

BEGINNINGS = {
    length: frozenset(
        f"{pair:02}" for low, high in zip(lows, highs, strict=True) for pair in range(int(low[:2]), int(high[:2]) + 1)
    )
    for length, (lows, highs) in _BY_LENGTH.items()
}
"""The first two digits of issued numbers, by length: most other numbers fail this test."""
