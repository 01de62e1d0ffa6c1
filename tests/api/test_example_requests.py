"""The sample requests are sent from top to bottom to a service on an empty database, and answered as they show."""

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
"""What is compared to the letter; of everything else the kind of value."""


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(gateway=SimulatedGateway(SuccessRates()))


def shape(value: Any, name: str = "") -> Any:
    """What must be the same in every answer of this kind: names and their order, kinds of values, telling values."""
    if name in TELLING:
        return value
    if isinstance(value, dict):
        return [(each, shape(inner, each)) for each, inner in value.items()]
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value).__name__


@every_file
def test_every_request_is_answered_as_shown(app: Flask, file: SampleFile) -> None:
    client, answers = app.test_client(), dict[str, Any]()
    given = file.variables | {"host": "", "token": bearer("user-42")["Authorization"].removeprefix("Bearer ")}
    for sample in file.samples:
        answer = client.open(**sample.filled(given, answers))
        status, body = sample.shown
        assert answer.status_code == status, f"{sample.title}: {answer.text}"
        assert shape(answer.get_json()) == shape(body), f"{sample.title}: {answer.text}"
        if sample.name:
            answers[sample.name] = answer.get_json()


@every_file
def test_sent_again_nothing_is_charged_again(app: Flask, file: SampleFile) -> None:
    """What makes something carries a key, or says itself that it happens once."""
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


def test_every_channel_has_its_file() -> None:
    assert {file.path.stem for file in sample_files()} == {channel.name for channel in CHANNELS}
