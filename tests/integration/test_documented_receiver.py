"""The test runs the documentation's example receiver exactly as the document shows it."""

import ast
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from payment_service import clock
from payment_service.db import Database
from payment_service.delivery.base import Delivered, Refused
from payment_service.delivery.http import HttpSink
from payment_service.delivery.relay import Relay
from payment_service.delivery.signatures import Signer
from tests.support.events import pile_up
from tests.support.markdown import document
from tests.support.ports import free_port, listens
from tests.support.processes import Service
from tests.support.relays import drain
from tests.support.sinks import an_event, http_sink, outcome_of
from tests.support.waiting import wait_until

SECRET = "a secret of theirs and ours"
on_postgresql = pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)
CODE = next(
    content for word, content in document("docs/tutorials/receive-your-first-event.md").blocks if word == "python"
)


class Documented:
    """The document's receiver as a process."""

    def __init__(self, directory: Path) -> None:
        (directory / "receiver.py").write_text(CODE)
        self.store, self.port = directory / "receiver.db", free_port()
        settings = {"WEBHOOK_SECRET": SECRET, "STORE": str(self.store), "PORT": str(self.port)}
        self.process = Service(sys.executable, str(directory / "receiver.py"), settings=settings)
        wait_until(lambda: listens(self.port), self.process.last_words, patience=10)

    def sink(self, secrets: str = SECRET) -> HttpSink:
        return http_sink(f"http://127.0.0.1:{self.port}", Signer.of(secrets))

    def kept(self) -> list[str]:
        """Return the ids it has dealt with."""
        with closing(sqlite3.connect(self.store)) as store:
            return [identity for (identity,) in store.execute("SELECT id FROM events")]

    def close(self) -> None:
        self.process.close()


@pytest.fixture
def documented(tmp_path: Path) -> Iterator[Documented]:
    with closing(Documented(tmp_path)) as receiver:
        yield receiver


def test_receiver_is_short_and_needs_no_package() -> None:
    assert len(CODE.splitlines()) <= 30
    imports = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(CODE))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    assert imports <= sys.stdlib_module_names


def test_receiver_handles_a_repeated_event_once(documented: Documented) -> None:
    event = an_event()
    with closing(documented.sink()) as sink:
        assert [outcome_of(sink, event) for _ in range(3)] == [Delivered()] * 3
        assert outcome_of(sink, an_event(method="PATCH", path="/v1/orders/7/payment-status")) == Delivered()
    assert len(documented.kept()) == 2
    assert str(event.event_id) in documented.kept()


def test_receiver_accepts_both_secrets_during_a_rotation(documented: Documented) -> None:
    with closing(documented.sink(f"the next one,{SECRET}")) as sink:
        assert outcome_of(sink) == Delivered()


@pytest.mark.parametrize("secrets", ["", "another secret"])
def test_receiver_refuses_a_wrong_signature(documented: Documented, secrets: str) -> None:
    with closing(documented.sink(secrets)) as sink:
        assert outcome_of(sink) == Refused("HTTP 401")
    assert documented.kept() == []


def test_receiver_refuses_an_old_signature(documented: Documented, monkeypatch: pytest.MonkeyPatch) -> None:
    then = clock.now() - timedelta(minutes=10)
    monkeypatch.setattr(clock, "now", lambda: then)
    with closing(documented.sink()) as sink:
        assert outcome_of(sink) == Refused("HTTP 401")


@on_postgresql
def test_receiver_accepts_events_of_the_relay(database: Database, documented: Documented) -> None:
    expected = pile_up(database, ["notification"], count=6, versions=2)
    with closing(documented.sink()) as sink:
        drain(Relay(database, sink))
    assert set(documented.kept()) == expected
