import random
from collections.abc import Callable

import pytest

from payment_service.domain.cards import contains_card_number
from tests.support.effort import least_work

# First digits and lengths as the issuers publish them; not taken from the code under test. Without the old numbers of
# 13 digits, one in ten of which is a barcode.
ISSUERS = {
    "Visa": (["4"], [16, 18, 19]),
    "Mastercard": (["51", "52", "53", "54", "55", "2221", "2300", "2500", "2699", "2720"], [16]),
    "American Express": (["34", "37"], [15]),
    "Diners Club": (["300", "301", "305", "3095", "36", "38", "39"], [14, 16]),
    "Discover": (["6011", "644", "649", "65"], [16, 19]),
    "JCB": (["3528", "3550", "3589"], [16, 19]),
    "UnionPay": (["62", "8110"], [16, 17, 18, 19]),
    "Maestro": (["5018", "5020", "5038", "5893", "6304", "6759", "6761", "6763"], [16, 19]),
    "RuPay": (["508500", "606985", "607984", "652150", "817200"], [16]),
    "Mir": (["2200", "2204"], [16, 19]),
    "Elo": (["504175", "509001", "636297", "636368"], [16]),
}
GROUPINGS = {15: (4, 6, 5), 14: (4, 6, 4), 16: (4, 4, 4, 4), 19: (4, 4, 4, 4, 3), 18: (6, 6, 6), 13: (4, 3, 3, 3)}


def check_digit(payload: str) -> str:
    doubled = [sum(divmod(int(digit) * (2 - at % 2), 10)) for at, digit in enumerate(reversed(payload))]
    return str(-sum(doubled) % 10)


def card_number(rng: random.Random) -> str:
    prefixes, lengths = ISSUERS[rng.choice(sorted(ISSUERS))]
    start = rng.choice(prefixes)
    payload = start + "".join(rng.choices("0123456789", k=rng.choice(lengths) - len(start) - 1))
    return payload + check_digit(payload)


def grouped(number: str, between: str) -> str:
    parts, rest = [], number
    for size in GROUPINGS.get(len(number), (4, 4, 4, 4, 4)):
        parts.append(rest[:size])
        rest = rest[size:]
    return between.join(part for part in (*parts, rest) if part)


def in_digits(number: str, zero: int) -> str:
    return "".join(chr(zero + int(digit)) for digit in number)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda number: number,
    "blanks": lambda number: grouped(number, " "),
    "dashes": lambda number: grouped(number, "-"),
    "dots": lambda number: grouped(number, "."),
    "spaced dashes": lambda number: grouped(number, " - "),
    "no-break spaces": lambda number: grouped(number, "\u00a0"),
    "en dashes": lambda number: grouped(number, "\u2013"),
    "tabs and lines": lambda number: grouped(number, "\n"),
    "digit by digit": " ".join,
    "pairs": lambda number: "-".join(number[at : at + 2] for at in range(0, len(number), 2)),
    "full width": lambda number: in_digits(number, 0xFF10),
    "Arabic": lambda number: in_digits(number, 0x0660),
    "Devanagari": lambda number: in_digits(number, 0x0966),
    "mathematical": lambda number: in_digits(number, 0x1D7CE),
    "zero-width spaces": "\u200b".join,
    "in a sentence": lambda number: f"Please charge {grouped(number, ' ')}, thanks",
    "after a short number": lambda number: f"No. 12 {grouped(number, ' ') if len(number) > 13 else number}",
    "after a colon": lambda number: f"card:{number}",
    "glued to a word": lambda number: f"card{number}exp",
    "with expiry": lambda number: f"{number} 12/29",
    "with cvv": lambda number: f"{number};123",
    "with a full stop": lambda number: f"It is {number}.",
    "as track data": lambda number: f"%B{number}^DOE/JANE^2912101",
    "in JSON": lambda number: f'{{"pan": "{number}"}}',
}


@pytest.mark.parametrize("name", sorted(SPELLINGS))
def test_card_number_is_found_in_every_spelling(name: str) -> None:
    rng = random.Random(20251120)
    texts = [SPELLINGS[name](card_number(rng)) for _ in range(2000 // len(SPELLINGS) + 1)]
    assert [text for text in texts if not contains_card_number(text)] == []


@pytest.mark.parametrize(
    "number",
    [
        "4111111111111111", "4242424242424242", "4012888888881881", "4222222222222", "5555555555554444",
        "5105105105105100", "2223003122003222", "378282246310005", "371449635398431", "30569309025904",
        "38520000023237", "36227206271667", "6011111111111117", "6011000990139424", "3530111333300000",
        "3566002020360505", "6200000000000005",
    ],
)  # fmt: skip
def test_usual_test_cards_are_found(number: str) -> None:
    assert contains_card_number(number)


@pytest.mark.parametrize(
    "number", ["4111111111111112", "5555555555554445", "378282246310006", "1234567890123452", "9" * 16]
)
def test_wrong_check_digit_or_an_unissued_range_is_no_card_number(number: str) -> None:
    assert not contains_card_number(number)


@pytest.mark.parametrize(
    "text",
    [
        "abcdefab-4111-1111-1111-1111abcdefab",
        "ABCDEFAB-4111-1111-1111-1111ABCDEFAB",
        "4111111111111111" + "0123abcd" * 6,
        "pi_4111111111111111abcdefab",
        "v1-" + "0123abcd" * 4 + "4111111111111111",
    ],
)
def test_digits_inside_a_uuid_or_digest_are_no_card_number(text: str) -> None:
    assert not contains_card_number(text)


@pytest.mark.parametrize(
    "text", ["4 " * 30_000, "4111 " * 13_000, "4" * 64_000, "4-." * 20_000, "DE12 3456 " * 6_000, "\ufdfa" * 20_000]
)
def test_search_of_a_hostile_text_is_fast(text: str) -> None:
    assert least_work(lambda: contains_card_number(text)) < 0.5


def test_card_number_among_many_other_numbers_is_found() -> None:
    assert contains_card_number("4155552671 1234 4111 1111 1111 1111 99 20251120")
    assert contains_card_number("+4111 1111 1111 1111")


def test_empty_or_incomplete_text_is_no_card_number() -> None:
    assert not contains_card_number("")
    assert not contains_card_number("4111 1111 1111")


def test_two_hundred_barcodes_in_one_text_are_no_card_number() -> None:
    rng = random.Random(20251120)
    payloads = ["400" + "".join(rng.choices("0123456789", k=9)) for _ in range(200)]
    sums = [sum(int(digit) * (1 + 2 * (at % 2)) for at, digit in enumerate(payload)) for payload in payloads]
    barcodes = [f"{payload}{-total % 10}" for payload, total in zip(payloads, sums, strict=True)]
    assert not contains_card_number(" ".join(barcodes))


def test_card_number_in_scientific_notation_is_found() -> None:
    assert contains_card_number("1.22000000000003E+14")  # 22000000000003 alone has the form of a SIRET
    assert contains_card_number("6.304E+15")
