"""Bodies of 64 kB that keep the search for card data busy: its work grows only linearly with their length."""

import json

import pytest

from payment_service.domain.errors import Invalid
from payment_service.web.strict_json import parse_object
from tests.support.effort import least_work

SIZE = 65536
TEXTS = (
    "4", "4 ", "0", "4111 ", "4112 ", "411 ", "1112 ", "2210 ", " -", "4-4.4,4:", "9e15 ", "123456e9 ", "%34", "%",
    "&#52;",
    "&#", "\uff14 ", "\uff14\uff11\uff11\uff11 ", "\ufdfa", "DE12 3456 ", "a1b2c3d4", "\\u0034", '\\"',
    "4111111111111111x", "4111111111111112 ", "6fa459ea-ee8a-3ca4-894e-db77e160355e ", "20251120072012 ",
    "4915112345678 ", "e1", "+49 151 ", "192.168.100.101 ", "12.345.", "41 11 ", "444444444444 ", "411111 ",
)  # fmt: skip
ELEMENTS = (
    "4", '"4"', "1.5", "4111", '"4111"', "9999999999999999999", "[]", "{}", "[[[[]]]]", "4111111111111112",
    '"4111111111111112"', '"\\n"', '"\u00e9"', "[4,1,1]", "-0", "9e15", "true",
)  # fmt: skip
BODIES = {
    **{f"text {text!r}": ('{"a":"', text, '"}') for text in TEXTS},
    **{f"list {element!r}": ('{"a":[', f"{element},", "0]}") for element in ELEMENTS},
    "deep": ('{"a":', "[", ""),
    "unfinished": ('{"a":"', '\\"', ""),
    "number": ('{"a":', "9", "}"),
    "fraction": ('{"a":0.', "4", "}"),
    "exponent": ('{"a":1e', "9", "}"),
}


def filled(name: str, size: int) -> bytes:
    """Return a body of at most so many bytes, its middle repeated."""
    first, middle, last = (part.encode() for part in BODIES[name])
    return first + middle * ((size - len(first) - len(last)) // len(middle)) + last


def work(body: bytes) -> float:
    """Return the seconds of work for a body, refused or not."""

    def parse() -> None:
        try:
            parse_object(body)
        except Invalid:
            return

    return least_work(parse)


def yardstick() -> float:
    """Return the seconds in which Python's parser reads 64 kB of JSON, with some work that any search does."""
    text = json.dumps({"a": "4 " * (SIZE // 2 - 5)})
    return least_work(lambda: [sum(map(ord, char)) for char in json.loads(text)["a"]])


@pytest.mark.parametrize("name", BODIES)
def test_time_of_a_hostile_body_is_proportional_to_its_length(name: str) -> None:
    body = filled(name, SIZE)
    assert len(body) <= SIZE
    assert work(body) < 4 * yardstick()
