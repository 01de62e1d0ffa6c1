"""The service on an empty database answers the sample requests, in their order, as they show."""

from typing import Any

import pytest
from flask import Flask

from payment_service.channels import CHANNELS
from payment_service.gateways.simulated import SimulatedGateway, SuccessRates
from tests.conftest import MakeApp
from tests.support.http_files import SampleFile, sample_files
from tests.support.tokens import bearer

every_file = pytest.mark.parametrize("file", sample_files(), ids=lambda file: file.path.stem)
TELLING = ("code", "status", "success", "method", "amount", "refund_amount", "refunded_amount", "retry", "state")
"""Values that must be equal; of all others only the kind counts."""


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(gateway=SimulatedGateway(SuccessRates()))


def shape(value: Any, name: str = "") -> Any:
    """Return the constant part of an answer: names and their order, kinds of values, fixed values."""
    if name in TELLING:
        return value
    if isinstance(value, dict):
        return [(each, shape(inner, each)) for each, inner in value.items()]
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value).__name__


@every_file
def test_every_example_request_gets_the_answer_shown(app: Flask, file: SampleFile) -> None:
    client, answers = app.test_client(), dict[str, Any]()
    given = file.variables | {"host": "", "token": bearer("user-42")["Authorization"].removeprefix("Bearer ")}
    found, expected = [], []
    for sample in file.samples:
        answer = client.open(**sample.filled(given, answers))
        status, body = sample.shown
        found.append((sample.title, answer.status_code, shape(answer.get_json())))
        expected.append((sample.title, status, shape(body)))
        if sample.name:
            answers[sample.name] = answer.get_json()
    assert found == expected


@every_file
def test_repeat_of_every_example_charges_nothing(app: Flask, file: SampleFile) -> None:
    """A request that creates something carries a key, or says that it happens once."""
    client = app.test_client()
    given = file.variables | {"host": "", "token": bearer("user-42")["Authorization"].removeprefix("Bearer ")}
    rounds = []
    for _ in range(2):
        answers: dict[str, Any] = {}
        for sample in file.samples:
            answer = client.open(**sample.filled(given, answers))
            if sample.name:
                answers[sample.name] = answer.get_json()
        rounds.append(answers)

    assert rounds[0] == rounds[1]


def test_every_channel_has_a_file_of_examples() -> None:
    assert {file.path.stem for file in sample_files()} == {channel.name for channel in CHANNELS}
