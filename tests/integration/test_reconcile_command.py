"""`flask reconcile`: its exit codes, what it prints and writes, and that a report cut short says so."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient

from payment_service import clock
from payment_service.cli.reconcile import COLUMNS, End, Start
from payment_service.domain.errors import GatewayUnavailable
from payment_service.gateways.base import GatewayRequest
from payment_service.gateways.listed import Entry
from payment_service.gateways.simulated import SimulatedGateway, SuccessRates
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp
from tests.support.desk import NAME, Desk
from tests.support.gateways import LedgerGateway
from tests.support.listed import ListedLedger
from tests.support.ports import free_port
from tests.support.reconciled import other_amount, strange_charge

TODAY = clock.now().date().isoformat()
YESTERDAY = (clock.now() - timedelta(days=1)).date().isoformat()


@pytest.fixture
def desk(client: FlaskClient, gateway: LedgerGateway, deps: Dependencies) -> Desk:
    return Desk(client, gateway, deps)


def run(app: Flask, *words: str, name: str = NAME) -> Result:
    period = ("--from", YESTERDAY, "--to", TODAY)
    return app.test_cli_runner().invoke(args=["reconcile", "--gateway", name, *period, *words])


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_reconcile_without_differences_exits_0(app: Flask, desk: Desk) -> None:
    desk.paid()
    said = run(app)
    assert (said.exit_code, said.stdout) == (0, "1 movements of remote, 0 differences\n")


def test_reconcile_with_differences_prints_sentences_and_exits_1(app: Flask, desk: Desk) -> None:
    other_amount(desk)
    strange_charge(desk)
    said = run(app)
    assert said.exit_code == 1
    amount, strange, summary = said.stdout.splitlines()
    assert amount.startswith("amount charge payment ")
    assert amount.endswith(": 150.00 INR here, 151.00 INR at the gateway")
    assert strange == "not_here charge v1-strange: charge of 10.00 INR at the gateway that no operation asked for"
    assert summary == "2 movements of remote, 2 differences"


def test_reconcile_of_an_unknown_gateway_or_one_without_a_list_exits_2(make_app: MakeApp) -> None:
    app = make_app()
    said = run(app, name="stripe/live")
    assert said.exit_code == 2
    assert "stripe/live cannot be reconciled" in said.stderr
    assert said.stderr.rstrip().endswith("moved: remote")
    without = make_app(gateway=SimulatedGateway(SuccessRates()))
    said = run(without)
    assert said.exit_code == 2
    assert "none has a list" in said.stderr
    backwards = ["reconcile", "--gateway", NAME, "--from", TODAY, "--to", YESTERDAY]
    assert app.test_cli_runner().invoke(args=backwards).exit_code == 2


def test_csv_report_has_every_movement_and_quotes_formulas(app: Flask, desk: Desk, tmp_path: Path) -> None:
    _, key = desk.paid()
    for reference in ("=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\tx"):
        desk.entry(None, reference=reference)
    asked = desk.gateway.ledger.pop(key)
    desk.entry(
        key, amount=asked.amount, fee=Decimal("4.30"), net=Decimal("-1.00"), settlement_currency="EUR", payout="po_1"
    )
    report = tmp_path / "report.csv"
    said = run(app, "--output", str(report))
    assert (said.exit_code, said.stdout) == (1, "")
    assert said.stderr == "6 movements of remote, 5 differences\n"
    first, *strangers, summary = table(report.read_text())
    assert tuple(first) == COLUMNS
    assert (first["amount"], first["currency"], first["amount_here"]) == ("150.00", "INR", "150.00")
    assert (first["fee"], first["net"], first["settlement_currency"], first["payout"]) == (
        *("4.30", "-1.00", "EUR", "po_1"),
    )
    assert [row["reference"] for row in strangers] == ["'=HYPERLINK(1)", "'+1", "'-1", "'@SUM(A1)", "'\tx"]
    assert (summary["line"], summary["difference"]) == ("summary", "")


def test_json_report_has_one_object_in_each_line(app: Flask, desk: Desk) -> None:
    number, key = desk.paid()
    said = run(app, "--format", "json")
    assert said.exit_code == 0
    movement, summary = map(json.loads, said.stdout.splitlines())
    assert movement["line"] == "movement"
    assert (movement["payment_id"], movement["gateway_key"], movement["difference"]) == (number, key, None)
    assert (movement["amount"], movement["status_here"]) == ("150.00", "SUCCEEDED")
    assert summary["what"] == "1 movements of remote, 0 differences"


@pytest.mark.parametrize("form", [[], ["--format", "csv"], ["--format", "json"]], ids=["words", "csv", "json"])
def test_report_that_is_cut_short_exits_3(
    app: Flask, desk: Desk, monkeypatch: pytest.MonkeyPatch, form: list[str]
) -> None:
    other_amount(desk)

    def broken(self: ListedLedger[GatewayRequest], *_: object) -> Iterator[Entry]:
        for asked in self.values():
            yield Entry(asked.gateway_key, asked.kind, asked.amount, asked.currency)
        raise GatewayUnavailable("the list broke off")

    monkeypatch.setattr(ListedLedger, "__call__", broken)
    said = run(app, *form)
    assert said.exit_code == 3, "run it again: what was not read may hide more"
    sentence = "not finished after 0 movements of remote, 0 differences: the list broke off"
    assert sentence in said.stderr
    if form:
        last = table(said.stdout)[-1] if "csv" in form else json.loads(said.stdout.splitlines()[-1])
        assert (last["line"], last["difference"], last["what"]) == ("summary", "not_finished", sentence)


def test_reconcile_without_a_database_exits_3(make_app: MakeApp) -> None:
    app = make_app(database_url=f"postgresql+psycopg2://nobody@127.0.0.1:{free_port()}/none")
    assert run(app).exit_code == 3


def test_plain_date_at_the_end_includes_that_day() -> None:
    end = End()
    assert end.convert("2026-11-02", None, None) == datetime(2026, 11, 3, tzinfo=UTC)
    assert end.convert("2026-11-02T00:00:00Z", None, None) == datetime(2026, 11, 2, tzinfo=UTC)
    assert end.convert("yesterday", None, None) - Start().convert("yesterday", None, None) == timedelta(days=1)


def test_only_gateway_with_a_list_needs_no_name(app: Flask, desk: Desk) -> None:
    """A scheduler runs this command every night."""
    desk.paid()
    said = app.test_cli_runner().invoke(args=["reconcile", "--from", "yesterday", "--to", "today"])
    assert said.stdout == "1 movements of remote, 0 differences\n"


def test_report_to_an_unwritable_file_exits_1(app: Flask, desk: Desk, tmp_path: Path) -> None:
    desk.paid()
    said = run(app, "--output", str(tmp_path / "none" / "report.csv"))
    assert said.exit_code == 1
    assert "none/report.csv" in said.stderr


def test_request_to_the_gateway_has_the_period(app: Flask, desk: Desk) -> None:
    moment = datetime.fromisoformat(f"{YESTERDAY}T00:00:00+00:00")
    within = desk.entry("v1-within", created_at=moment)
    desk.gateway.ledger.others.append(replace(within, gateway_key="v1-before", created_at=moment - timedelta(1)))
    said = run(app)
    assert [line.split()[2] for line in said.stdout.splitlines()[:-1]] == ["v1-within:"]
