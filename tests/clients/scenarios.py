"""The scenarios of `scenarios.json`, and how a client plays their calls."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.clients.under_test import Call, Client, Outcome
from tests.support.tokens import token

Scenario = dict[str, Any]
SCENARIOS: list[Scenario] = json.loads(Path(__file__).with_name("scenarios.json").read_text())["scenarios"]
BY_NAME = {scenario["name"]: scenario for scenario in SCENARIOS}
AT_THE_SERVICE = [name for name, scenario in BY_NAME.items() if scenario["service"] is not None]

each_scenario = pytest.mark.parametrize("name", BY_NAME)
each_at_the_service = pytest.mark.parametrize("name", AT_THE_SERVICE)


def play(client: Client, scenario: Scenario, url: str, *, real: bool = False) -> list[Outcome]:
    """Make the calls of a scenario one by one and check their results and errors."""
    outcomes = list[Outcome]()
    for wanted in scenario["calls"]:
        args = {name: _argument(value, outcomes) for name, value in wanted["args"].items()}
        call = Call(wanted["call"], args, url, wanted.get("client", {}), token=token(), real=real)
        outcomes.append(client(call))
        _judge(outcomes[-1], wanted, outcomes)
    return outcomes


def _judge(outcome: Outcome, wanted: Scenario, outcomes: list[Outcome]) -> None:
    assert len({each.bytes_sent for each in outcome.tries}) == 1, "a repeat is another request"
    if "raises" in wanted:
        assert {name: outcome.raised[name] for name in wanted["raises"]} == wanted["raises"]
        return
    assert outcome.error is None
    for name, value in wanted["gives"].items():
        found = field(outcome.answer, name)
        assert found == value or (name.endswith("amount") and Decimal(found) == Decimal(value)), name
    if "same_answer_as" in wanted:
        assert outcome.answer == outcomes[wanted["same_answer_as"]].answer


def field(answer: Any, path: str) -> Any:
    """Return a value of an answer by its path, such as `payments.0.amount`."""
    for name in path.split("."):
        answer = answer[int(name) if name.isdigit() else name]
    return answer


def _argument(value: Any, outcomes: list[Outcome]) -> Any:
    return field(outcomes[value["of"]].answer, value["field"]) if isinstance(value, dict) else value
