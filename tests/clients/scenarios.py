"""The scenarios of `scenarios.json`, and how the Python client plays their calls."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from time import monotonic, sleep
from typing import Any, cast

import pytest
import requests

from payment_service_client import PaymentClient, PaymentError
from tests.support.tokens import token

Scenario = dict[str, Any]
SCENARIOS: list[Scenario] = json.loads(Path(__file__).with_name("scenarios.json").read_text())["scenarios"]
BY_NAME = {scenario["name"]: scenario for scenario in SCENARIOS}
AT_THE_SERVICE = [name for name, scenario in BY_NAME.items() if scenario["service"] is not None]

each_scenario = pytest.mark.parametrize("name", BY_NAME)
each_at_the_service = pytest.mark.parametrize("name", AT_THE_SERVICE)


class Tries(list[requests.PreparedRequest]):
    """The requests of a client, in their order, each on its own connection; `statuses`: the answer to each."""

    def __init__(self) -> None:
        super().__init__()
        self.statuses: list[int] = []

    def session(self) -> requests.Session:
        """Return a session that records them."""
        session = requests.Session()
        session.trust_env = False
        session.headers["Connection"] = "close"
        send = session.send

        def sending(request: requests.PreparedRequest, **options: Any) -> requests.Response:
            self.append(request)
            self.statuses.append(0)  # until there is an answer
            answer = send(request, **options)
            self.statuses[-1] = answer.status_code
            return answer

        session.send = sending  # type: ignore[method-assign]
        return session


class FakeTime:
    """A clock that moves only while a call sleeps."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def clock(self) -> float:
        return sum(self.pauses)


class RealPauses(FakeTime):
    """The real clock; pauses are remembered."""

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        sleep(seconds)

    def clock(self) -> float:
        return monotonic()


def play(scenario: Scenario, url: str, time: FakeTime) -> Tries:
    """Make the calls of a scenario one by one and check their results and errors; return every request they sent."""
    tries, answers = Tries(), list[object]()
    for call in scenario["calls"]:
        began = len(tries)
        options = {"session": tries.session(), "sleep": time.sleep, "clock": time.clock, **call.get("client", {})}
        with options["session"]:
            answers.append(_answer(PaymentClient(url, token, **options), call, answers))
        assert len({_bytes(each) for each in tries[began:]}) == 1, "a repeat is another request"
    return tries


def _answer(client: PaymentClient, call: Scenario, answers: list[object]) -> object:
    arguments = {name: _argument(name, value, answers) for name, value in call["args"].items()}
    made = cast("Callable[..., object]", field(client, call["call"]))
    if "raises" in call:
        with pytest.raises(PaymentError) as caught:
            made(**arguments)
        raised = {"error": type(caught.value).__name__}
        raised |= {name: _plain(getattr(caught.value, name)) for name in call["raises"] if name != "error"}
        assert raised == call["raises"]
        return None
    answer = made(**arguments)
    for name, value in call["gives"].items():
        found = field(answer, name)
        assert found == (Decimal(value) if isinstance(found, Decimal) else value), name
    if "same_answer_as" in call:
        assert answer == answers[call["same_answer_as"]]
    return answer


def field(answer: object, path: str) -> object:
    """Return a value of an answer by its path, such as `payments.0.amount`."""
    for name in path.split("."):
        answer = cast("tuple[object, ...]", answer)[int(name)] if name.isdigit() else getattr(answer, name)
    return answer


def _argument(name: str, value: Any, answers: list[object]) -> object:
    if isinstance(value, dict):
        return field(answers[value["of"]], value["field"])
    return Decimal(value) if name == "amount" else value


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _bytes(request: requests.PreparedRequest) -> tuple[object, ...]:
    return request.method, request.url, request.body, request.headers.get("Idempotency-Key")
