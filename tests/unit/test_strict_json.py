import json
from typing import Any

import pytest

from payment_service.domain.errors import CardDataNotAccepted, Invalid
from payment_service.web.strict_json import Number, parse_object
from tests.support.effort import least_work

CARD = "4111 1111-1111.1111"


def fault_of(body: bytes | str) -> tuple[tuple[str | int, ...], str]:
    with pytest.raises(Invalid) as caught:
        parse_object(body.encode() if isinstance(body, str) else body)
    (fault,) = caught.value.faults
    return fault.loc, fault.type


def test_plain_object_is_parsed() -> None:
    body = '{"a": 1, "b": "x\\ny", "c": [true, false, null], "d": {"e": -7}}'
    assert parse_object(body.encode()) == {"a": 1, "b": "x\ny", "c": [True, False, None], "d": {"e": -7}}


@pytest.mark.parametrize(
    "text", ["150.0", "0.1", "1e5", "1E-7", "-0", "-0.0", "1e400", "9223372036854775808", "1e2000000", "9" * 60_000]
)
def test_number_that_is_no_plain_integer_stays_text(text: str) -> None:
    assert parse_object(f'{{"amount": {text}}}'.encode()) == {"amount": Number(text)}


@pytest.mark.parametrize("number", [0, 1, -1, 2**53, 2**63 - 1, -(2**63) + 1])
def test_plain_integer_is_an_integer(number: int) -> None:
    assert parse_object(f'{{"n": {number}}}'.encode()) == {"n": number}


@pytest.mark.parametrize(
    "body",
    [
        "", " ", "[]", "1", '"a"', "null", "true", "{", "}", "{}}", '{"a"}', '{"a":}', "{'a': 1}", '{"a": 1,}',
        '{"a": 01}', '{"a": +1}', '{"a": .5}', '{"a": 5.}', '{"a": 0x1}', '{"a": 1_000}', '{"a": NaN}',
        '{"a": Infinity}', '{"a": -Infinity}', '{"a": "\n"}', '{"a": "\t"}', '{"a": "\\x"}', '{"a": "\\u12"}',
        '\ufeff{"a": 1}', '{"a": 1} x', '{"a": 1, "a": 2}', '{"o": {"a": 1, "a": 1}}', '{"am": 1, "\\u0061m": 2}',
        b'{"a": "\xff"}', b"\xff\xfe{\x00}\x00", b'{"a": "\xed\xa0\x80"}', b"amount=1", b'{"a": "' + b'\\"' * 30_000,
    ],
)  # fmt: skip
def test_malformed_or_ambiguous_json_is_refused(body: bytes | str) -> None:
    loc, kind = fault_of(body)
    assert loc[0] == "body"
    assert isinstance(loc[1], int)
    assert kind == "json_invalid"


@pytest.mark.parametrize("depth", [17, 1_000, 5_000, 30_000])
@pytest.mark.parametrize("brackets", ["[]", '{"a":}'])
def test_deep_nesting_is_refused_where_it_becomes_too_deep(depth: int, brackets: str) -> None:
    begin, end = brackets[:-1], brackets[-1]
    loc, kind = fault_of('{"m": ' + begin * depth + "1" + end * depth + "}")
    assert kind == "json_invalid"
    assert loc == ("body", 6 + 15 * len(begin))


@pytest.mark.parametrize(
    "body", [b'{"a": "' + b'\\"' * 30_000, b'"' * 60_000, b'{"a": "' + b"\\" * 60_001, b'["],' * 15_000]
)
def test_unterminated_string_is_refused_fast(body: bytes) -> None:
    assert fault_of(body)[1] == "json_invalid"
    assert least_work(lambda: fault_of(body)) < 0.5


def test_16_levels_and_brackets_in_texts_are_accepted() -> None:
    body = '{"m": ' + "[" * 15 + '"[[[[[[[[[[[[[[[[[[{{{{\\"[["' + "]" * 15 + "}"
    assert parse_object(body.encode())["m"]


def test_more_than_200_names_are_refused() -> None:
    fits: dict[str, Any] = {f"n{at}": {} for at in range(100)} | {"inner": {f"n{at}": 1 for at in range(99)}}
    assert parse_object(json.dumps(fits).encode()) == fits
    assert fault_of(json.dumps(fits | {"more": 1}))[1] == "json_invalid"


def test_more_than_two_thousand_values_are_refused_and_commas_in_texts_are_none() -> None:
    assert len(parse_object(b'{"a": [' + b"1," * 1997 + b'"' + b"," * 9999 + b'"]}')["a"]) == 1998
    assert fault_of(b'{"a": [' + b"1," * 2001 + b"1]}") == (("body", 0), "json_invalid")
    assert fault_of(b'{"a": [' + b"[]," * 1500 + b"1]}") == (("body", 0), "json_invalid")


@pytest.mark.parametrize("char", [0x00, 0x01, 0x08, 0x0B, 0x1B, 0x1F, 0x7F, 0x85, 0x9F, 0xD800, 0xDFFF])
def test_control_characters_and_lone_surrogates_are_refused_in_texts_and_names(char: int) -> None:
    assert fault_of(f'{{"reference": "x\\u{char:04x}"}}') == (("body", "reference"), "string_unicode")
    assert fault_of(f'{{"metadata": {{"list": ["a", "\\u{char:04x}"]}}}}') == (
        ("body", "metadata", "list", 1),
        "string_unicode",
    )
    assert fault_of(f'{{"x\\u{char:04x}": 1}}') == (("body",), "string_unicode")


def test_pairs_of_surrogates_are_characters() -> None:
    assert parse_object(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}


@pytest.mark.parametrize("escape", ["\\n", "\\t", "\\r"])
def test_line_breaks_are_accepted_in_values_and_not_in_names(escape: str) -> None:
    assert parse_object(f'{{"reason": "a{escape}b"}}'.encode())["reason"].startswith("a")
    assert fault_of(f'{{"re{escape}ason": "a"}}') == (("body",), "string_unicode")


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"reference": CARD}, ("body", "reference")),
        ({"metadata": {"note": f"pay {CARD} now"}}, ("body", "metadata", "note")),
        ({"metadata": {"list": [1, {"x": CARD}]}}, ("body", "metadata", "list", 1, "x")),
        ({"metadata": {"pan": 4111111111111111}}, ("body", "metadata", "pan")),
        ({"metadata": {"pan": 4111111111111111.0}}, ("body", "metadata", "pan")),
        ({CARD: 1}, ("body",)),
        ({"metadata": {f"x {CARD}": {"note": CARD}}}, ("body", "metadata")),
        ({"unknown": CARD}, ("body", "unknown")),
        ({"metadata": {"strange name": {"note": CARD}}}, ("body", "metadata", "note")),
        ({"metadata": {"note": "\uff14" + "\uff11" * 15}}, ("body", "metadata", "note")),
    ],
)
def test_card_number_is_refused_by_its_place_without_an_echo(body: dict[str, Any], loc: tuple[str | int, ...]) -> None:
    with pytest.raises(CardDataNotAccepted) as caught:
        parse_object(json.dumps(body).encode())
    (fault,) = caught.value.faults
    assert (fault.loc, fault.type) == (loc, "card_data_not_accepted")
    assert "1111" not in f"{caught.value.message} {fault}"


@pytest.mark.parametrize(
    "value",
    ["20251120072012", "2025-11-20T07:20:12.145775", 1762169400000, "525.00", "6fa459ea-ee8a-3ca4-894e-db77e160355e"],
)
def test_dates_moments_amounts_and_uuids_are_no_card_numbers(value: str | int) -> None:
    assert parse_object(json.dumps({"metadata": {"x": value}}).encode()) == {"metadata": {"x": value}}
