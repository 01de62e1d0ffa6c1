"""A database of release 1.0.0 is upgraded, and the service answers on it as release 1.0.0 did.

`tests/fixtures/release_1_0_0/` holds a database of each kind and the answers of release 1.0.0. Each part of the answers
is compared on an upgraded copy of its own, and the requests are sent in the recorded order:

1. *Undecided*: the gateway decides nothing, every operation and look-up is pending. A repeat of an undecided key
   takes over, asks the gateway, and answers 202 with the payment as it stands, so no answer depends on an earlier one.
   A stored response is compared byte for byte; an expired or purged key gets its payment as it is now.
2. *Settled*: the gateway decides, and `flask recover` ends every operation: approved if the gateway's ledger has it,
   declined if `declines` lists its gateway key, or approved by a new call. Times and trail rows that come from this
   part are not compared.
3. *Sent*: dead deliveries are replayed, and relays send everything that is pending to sinks of the test.

A difference is one that a caller, an operator or a receiver of events sees after the upgrade.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import make_url

from payment_service.config_fields import CHANNELS
from tests.conftest import migrate
from tests.fixtures.application import open_app
from tests.support.postgres import Postgres
from tests.support.receiving_sinks import SERVICES, receiving_sinks
from tests.support.release_1_0_0 import (
    FOLDER,
    SINKS,
    Known,
    answers,
    business_figures,
    deliveries,
    expected,
    load,
    run,
    trails,
    verify_with,
)
from tests.support.stored_ledger import StoredLedgerGateway

Observed = dict[str, Any]
OpenCopy = Callable[..., Any]

REPLAY = ("deliveries", "replay", "--dead", "--even-if-newer")
EVERY_CHANNEL = {"rabbitmq_channels": frozenset(CHANNELS), "kafka_channels": frozenset(CHANNELS)}
NAMES = expected("sqlite")
"""Requests have the same names on both databases; each has its own answers."""


@pytest.fixture(scope="module")
def open_copy(
    engine_name: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenCopy]:
    """Open an app on another copy of the upgraded database: `open_copy(gateway, **settings)`.

    Its brokers carry every channel, as those of release 1.0.0 did.
    """
    folder = tmp_path_factory.mktemp("upgraded")
    server: Postgres | None = request.getfixturevalue("postgres") if engine_name == "postgresql" else None
    original = _empty(server, "upgraded") if server else f"sqlite:///{folder}/upgraded.db"
    load(original)
    migrate(original)
    copies: list[str] = []

    @contextmanager
    def open_(gateway: StoredLedgerGateway, **settings: Any) -> Iterator[Flask]:
        copies.append(f"upgraded_{len(copies) + 1}")
        url = _copy(server, original, folder / f"{copies[-1]}.db", copies[-1])
        with open_app(url, gateway=gateway, **EVERY_CHANNEL, **settings) as app:
            yield app

    yield open_
    for name in [*copies, "upgraded"] if server else []:
        assert server is not None
        server.drop_database(name)


def _empty(server: Postgres, name: str) -> str:
    server.drop_database(name)
    return server.create_database(name)


def _copy(server: Postgres | None, original: str, path: Path, name: str) -> str:
    if server is not None:
        server.drop_database(name)
        return server.create_database(name, template="upgraded")
    shutil.copy(str(make_url(original).database), path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def before(engine_name: str) -> Observed:
    """Return the answers of release 1.0.0."""
    return dict(expected(engine_name))


@pytest.fixture(scope="module")
def undecided(open_copy: OpenCopy, before: Observed) -> Observed:
    """Return the answers while the gateway decides nothing."""
    gateway = StoredLedgerGateway(before["ledger"])
    gateway.is_pending = True
    with open_copy(gateway, **SINKS) as app:
        return {
            "verify": run(app, "verify"),
            "figures": business_figures(app),
            "deliveries": deliveries(app),
            "trails": trails(app, map(int, before["trails"])),
            **{part: answers(app, before[part]["asked"]) for part in ("reads", "repeats", "mismatches")},
            "verify again": run(app, "verify"),
            "false ledger": verify_with(app, gateway, before["false ledger"]["ledger"]),
        }


@pytest.fixture(scope="module")
def settled(open_copy: OpenCopy, before: Observed) -> Observed:
    """Return the answers after the gateway has decided everything."""
    known = Known([before["reads"]["answers"], before["repeats"]["answers"]])
    asked = before["settled"]
    with open_copy(StoredLedgerGateway(before["ledger"], declines=before["declines"]), **SINKS) as app:
        return {
            "recover": run(app, "recover"),
            "verify": run(app, "verify"),
            "figures": business_figures(app),
            **{part: known.hide_new(answers(app, asked[part]["asked"])) for part in ("repeats", "reads")},
        }


@pytest.fixture(scope="module")
def sent(open_copy: OpenCopy, broker_port: int) -> Observed:
    """Return the messages that sinks receive."""
    with receiving_sinks(broker_port) as sinks, open_copy(StoredLedgerGateway(), **sinks.settings) as app:
        return {
            "replayed": run(app, "deliveries", "replay", "--dead", "--even-if-newer"),
            "messages": sinks.receive(app),
        }


def different(found: Observed, recorded: Observed) -> dict[str, tuple[Any, Any]]:
    """Return the answers that differ from the recorded ones, each beside the recorded one, by the request's name."""
    assert found.keys() == recorded.keys()
    return {name: (found[name], recorded[name]) for name in recorded if found[name] != recorded[name]}


def comparable(figures: Observed) -> Observed:
    """Leave out the metrics that have other labels since."""
    return {name: value for name, value in figures.items() if not name.startswith("payments_by_")}


def with_new_advice(answer: Observed) -> Observed:
    """Return an error response with its new advice: a paid order takes no other key."""
    old, new = ('"retry":{"safe":true,"key":"new","after":null}', '"retry":{"safe":false,"key":null,"after":null}')
    is_paid = "payable_already_paid" in answer["body"]
    return {**answer, "body": answer["body"].replace(old, new)} if is_paid else answer


def test_verify_finds_no_violations(undecided: Observed, before: Observed) -> None:
    assert before["verify"] == {"exit_code": 0, "output": "no violations\n"}
    assert undecided["verify"] == before["verify"]
    assert undecided["verify again"] == before["verify"]


def test_verify_with_a_false_ledger_finds_the_same_violations(undecided: Observed, before: Observed) -> None:
    assert len(before["false ledger"]["verify"]["output"].splitlines()) == 5
    named = before["false ledger"]["verify"]["output"].replace("an effect at the gateway", "charge of 5.00 INR")
    assert undecided["false ledger"]["output"].replace("; after a restore, run after-restore", "") == named


def test_business_figures_are_equal(undecided: Observed, before: Observed) -> None:
    assert undecided["figures"] == comparable(before["figures"])


def test_deliveries_are_listed_equally(undecided: Observed, before: Observed) -> None:
    assert undecided["deliveries"] == before["deliveries"]


def test_audit_trails_are_equal(undecided: Observed, before: Observed) -> None:
    assert different(undecided["trails"], before["trails"]) == {}


def without_before(reads: Observed) -> Observed:
    """Leave out the token `before`, which the pages of lists did not have."""
    added = re.compile(r',"before":(?:"[\w-]+"|null)')
    return {name: {**answer, "body": added.sub("", answer["body"])} for name, answer in reads.items()}


def test_reads_are_answered_equally(undecided: Observed, before: Observed) -> None:
    assert different(without_before(undecided["reads"]), before["reads"]["answers"]) == {}


@pytest.mark.parametrize("name", NAMES["repeats"]["asked"])
def test_repeat_is_answered_equally(undecided: Observed, before: Observed, name: str) -> None:
    state, answer = before["repeats"]["states"][name], before["repeats"]["answers"][name]
    assert undecided["repeats"][name] == (with_new_advice(answer) if state == "no row" else answer), state


def test_mismatch_of_a_key_is_answered_equally(undecided: Observed, before: Observed) -> None:
    assert {answer["status"] for answer in before["mismatches"]["answers"].values()} == {422}
    assert different(undecided["mismatches"], before["mismatches"]["answers"]) == {}


def test_recovery_ends_every_operation(settled: Observed, before: Observed) -> None:
    assert settled["recover"] == before["settled"]["recover"]
    assert settled["verify"] == before["settled"]["verify"] == before["verify"]
    assert settled["figures"] == comparable(before["settled"]["figures"])


@pytest.mark.parametrize("name", NAMES["settled"]["repeats"]["asked"])
def test_repeat_after_recovery_is_answered_equally(settled: Observed, before: Observed, name: str) -> None:
    assert settled["repeats"][name] == before["settled"]["repeats"]["answers"][name]


def test_payments_after_recovery_are_equal(settled: Observed, before: Observed) -> None:
    assert different(settled["reads"], before["settled"]["reads"]["answers"]) == {}


def test_as_many_dead_deliveries_are_replayed(sent: Observed, before: Observed) -> None:
    assert sent["replayed"] == before["replayed"]


@pytest.mark.parametrize("sink", [*SERVICES, "rabbitmq", "kafka"])
def test_sink_receives_the_same_messages(sent: Observed, before: Observed, sink: str) -> None:
    assert sent["messages"][sink] == before["messages"][sink]


def test_tables_divided_by_month_are_upgraded_equally(postgres: Postgres) -> None:
    """`by_month.sql` is the script of release 1.0.0."""
    url, recorded = _empty(postgres, "upgraded_by_month"), expected("postgresql")
    load(url)
    with closing(postgres.connect("upgraded_by_month")) as connection, connection.cursor() as cursor:
        checks, change = (FOLDER / "by_month.sql").read_text().replace(":'first'", "'2025-12-01'").split("\nBEGIN;\n")
        for statement in [*re.findall(r"^ALTER .*;$", checks, re.MULTILINE), f"BEGIN;\n{change}"]:
            cursor.execute(statement)
    migrate(url)
    gateway = StoredLedgerGateway(recorded["ledger"])
    gateway.is_pending = True
    with open_app(url, gateway=gateway, **SINKS, **EVERY_CHANNEL) as app:
        assert run(app, "verify") == recorded["verify"]
        assert business_figures(app) == comparable(recorded["figures"])
        assert deliveries(app) == recorded["deliveries"]
        repeats = {name: with_new_advice(each) for name, each in recorded["repeats"]["answers"].items()}
        found = answers(app, recorded["repeats"]["asked"])
        assert different({name: with_new_advice(each) for name, each in found.items()}, repeats) == {}
    postgres.drop_database("upgraded_by_month")
