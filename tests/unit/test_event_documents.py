"""The document about events and its schemas agree with each other and with the program."""

import json

import pytest

from payment_service.delivery.backoff import Backoff
from payment_service.delivery.http import GONE, LONGEST_PAUSE, TIMEOUT, WORTH_ANOTHER_TRY
from payment_service.delivery.rabbitmq import AWAITED, EXCHANGE
from payment_service.delivery.relay import UNROUTED_DELAYS
from payment_service.delivery.sinks import NEIGHBOURS
from tests.support.event_schemas import DOCUMENTED, FILES, validator
from tests.support.markdown import document

BROKERS = ("rabbitmq", "kafka")


@pytest.mark.parametrize("name", sorted(FILES))
def test_schema_is_valid(name: str) -> None:
    validator(name.removesuffix(".json"))
    assert FILES[name]["$id"] == name


def test_every_sink_has_a_schema_and_a_documented_setting() -> None:
    assert {*NEIGHBOURS, *BROKERS, "data"} == {name.removesuffix(".json") for name in FILES}
    rows = {row[0].strip("`"): row[1] for row in document("docs/reference/events.md").section("HTTP").rows()}
    introduction = document("docs/reference/events.md").text.partition("## What is promised")[0]
    assert rows.keys() >= NEIGHBOURS.keys()
    assert {name for name, setting in NEIGHBOURS.items() if f"`{setting}`" not in introduction} == set()


@pytest.mark.parametrize("name", BROKERS)
def test_schemas_have_exactly_the_documented_types(name: str) -> None:
    listed = {
        (rule["if"]["properties"]["channel"]["const"], kind)
        for rule in FILES[f"{name}.json"]["allOf"]
        for kind in rule["then"]["properties"].get("event_type", {}).get("enum", ())
    }
    assert listed == {(channel, kind) for channel, kind, *_ in DOCUMENTED}


def test_documented_messages_are_valid() -> None:
    examples = [json.loads(content) for word, content in document("docs/reference/events.md").blocks if word == "json"]
    for name, example in zip(BROKERS, examples, strict=True):
        validator(name).validate(example)


def test_documented_figures_equal_the_code() -> None:
    text = " ".join(document("docs/reference/events.md").text.split())
    assert f"2xx within {TIMEOUT:g} seconds" in text
    *others, last = sorted(WORTH_ANOTHER_TRY)
    assert f"Any other 4xx than {', '.join(map(str, others))} and {last} ends it" in text
    assert f"**{GONE}** alone ends a delivery at once" in text
    assert f"at least {Backoff().refusals} tries in more than an hour" in text
    assert len(UNROUTED_DELAYS) + 1 == 3, "tried 3 times within a minute"
    assert "is tried 3 times within a minute" in text
    assert LONGEST_PAUSE == 3600, "an hour"
    assert EXCHANGE in text
    promises = text.partition("The bookings document promises ")[2].partition(":")[0]
    assert {word.strip("`,") for word in promises.split() if "." in word} == AWAITED
