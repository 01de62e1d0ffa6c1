"""Operators list dead letters page by page and resend them by a button of our own page only; each action is saved."""

import json
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from payment_service.logs import flush_logs
from payment_service.models import operator_actions, outbox_deliveries
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp, dependencies_of
from tests.support.database import rows
from tests.support.events import pile_up
from tests.support.operators import form_token, page, signed_in, words


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """Return a service with a broker."""
    return make_app(rabbitmq_enabled=True)


@pytest.fixture
def operator(app: Flask) -> FlaskClient:
    return signed_in(app)


def give_up(deps: Dependencies, said: str = "503 Service Unavailable", **only: Any) -> list[int]:
    """Turn these deliveries (or all) into dead letters; return their numbers."""
    conditions = [outbox_deliveries.c[name] == value for name, value in only.items()]
    died = update(outbox_deliveries).where(*conditions).values(status="DEAD", attempts=12, last_error=said)
    with deps.database.atomic("test") as connection:
        return sorted(connection.execute(died.returning(outbox_deliveries.c.delivery_id)).scalars())


def standing(deps: Dependencies) -> dict[int, tuple[str, int]]:
    return {row["delivery_id"]: (row["status"], row["attempts"]) for row in rows(deps, outbox_deliveries)}


def shown(html: str) -> list[int]:
    return [int(number) for number in re.findall(r"/ops/deliveries/(\d+)/replay", html)]


def replay(client: FlaskClient, number: object, **form: str) -> Any:
    return client.post(f"/ops/deliveries/{number}/replay", data={"form_token": form_token(client), **form})


def test_dead_delivery_is_shown_with_its_error(deps: Dependencies, operator: FlaskClient) -> None:
    pile_up(deps.database, ["rabbitmq", "order"], 2)
    assert "None." in words(page(operator, "/ops/deliveries"))
    dead = give_up(deps, "the sink said <b>no</b>", sink="order")
    html = page(operator, "/ops/deliveries")

    assert shown(html) == sorted(dead, reverse=True)
    assert "the sink said &lt;b&gt;no&lt;/b&gt;" in html
    assert "payment.created to order payment 2" in words(html)
    assert words(html).count("12 tries") == 2


def test_pages_list_each_dead_delivery_once_newest_first(deps: Dependencies, operator: FlaskClient) -> None:
    pile_up(deps.database, ["rabbitmq", "order"], 40)
    dead = give_up(deps)
    path, pages = "/ops/deliveries", list[list[int]]()
    while path:
        html = page(operator, path)
        pages.append(shown(html))
        following = re.search(r'rel="next" href="([^"]+)"', html)
        path = following[1].replace("&amp;", "&") if following else ""
    assert max(map(len, pages)) <= 25
    assert [number for each in pages for number in each] == sorted(dead, reverse=True)

    only = [number for number, row in zip(dead, rows(deps, outbox_deliveries), strict=True) if row["sink"] == "order"]
    first = shown(page(operator, "/ops/deliveries?sink=order"))
    assert first == sorted(only, reverse=True)[:25]
    assert shown(page(operator, "/ops/deliveries?sink=nobody")) == []


def test_replay_makes_a_delivery_due_and_records_the_operator(
    make_app: MakeApp, capsys: pytest.CaptureFixture[str]
) -> None:
    app = make_app(rabbitmq_enabled=True, log_level="INFO")
    deps, operator = dependencies_of(app), signed_in(app, "maria@example.com")
    pile_up(deps.database, ["rabbitmq"], 2)
    first, second = give_up(deps)
    capsys.readouterr()
    answer = replay(operator, first)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/ops/payments/1#end")
    assert standing(deps) == {first: ("PENDING", 0), second: ("DEAD", 12)}
    (action,) = rows(deps, operator_actions)
    assert (action["action"], action["actor"], action["delivery_id"], action["payment_id"]) == (
        "REPLAY", "maria@example.com", first, 1,
    )  # fmt: skip
    flush_logs()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (line,) = [line for line in lines if line["event"] == "delivery.replayed"]
    assert (line["actor"], line["delivery_id"], line["payment_id"], line["sink"]) == (
        "maria@example.com", first, 1, "rabbitmq",
    )  # fmt: skip
    assert line["request_id"] == action["request_id"] == answer.headers["X-Request-ID"]
    assert f"maria@example.com had delivery {first} sent again" in words(page(operator, "/ops/payments/1"))


def test_replay_answers_409_unless_the_delivery_is_dead(deps: Dependencies, operator: FlaskClient) -> None:
    pile_up(deps.database, ["rabbitmq"], 1)
    ((waiting, before),) = standing(deps).items()
    answers = [replay(operator, number) for number in (waiting, 999_999, "x", 10**30)]
    assert [(answer.status_code, "is not given up" in answer.text) for answer in answers] == [(409, True)] * 4
    assert standing(deps) == {waiting: before}
    give_up(deps)
    assert [replay(operator, waiting).status_code for _ in range(2)] == [303, 409]
    assert len(rows(deps, operator_actions)) == 1


def test_replay_by_a_foreign_form_answers_403(app: Flask, deps: Dependencies, operator: FlaskClient) -> None:
    pile_up(deps.database, ["rabbitmq"], 1)
    (dead,) = give_up(deps)
    path, own = f"/ops/deliveries/{dead}/replay", form_token(operator)
    others = form_token(signed_in(app, "paul"))
    assert own != others
    forms: tuple[dict[str, str], ...] = (
        {},
        {"form_token": ""},
        {"form_token": others},
        {"form_token": own[:-1]},
        {"form_token": "ä"},
    )
    answers = [operator.post(path, data=form) for form in forms]
    assert [(answer.status_code, "foreign_form" in answer.text) for answer in answers] == [(403, True)] * len(forms)
    assert operator.post(path, data={"form_token": own}, headers={"Origin": "https://evil.example"}).status_code == 403
    assert operator.post(path, json={"form_token": own}).status_code == 403
    assert operator.get(path).status_code == 405
    assert app.test_client().post(path, data={"form_token": own}).status_code == 401
    assert standing(deps) == {dead: ("DEAD", 12)}
    assert rows(deps, operator_actions) == []
    assert replay(operator, dead).status_code == 303
