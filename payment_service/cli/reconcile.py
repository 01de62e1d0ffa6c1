"""`flask reconcile`: compares a gateway's list with our operations; the output is text, CSV or JSON lines."""

import csv
import json
import re
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TextIO

import click
from flask.cli import with_appcontext

from payment_service import clock
from payment_service.cli.arguments import Moment, Words
from payment_service.cli.output import Command, TemporaryFailure, progress
from payment_service.services import reconciliation
from payment_service.services.differences import Line
from payment_service.services.reconciliation import CannotBeReconciled, Result
from payment_service.web.context import dependencies

COLUMNS = (
    *("line", "difference", "what", "kind", "payment_id", "operation_id", "gateway_key", "reference", "at"),
    *("amount", "currency", "amount_here", "currency_here", "status_here"),
    *("fee", "net", "settlement_currency", "payout"),
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""The beginnings of texts that a spreadsheet would read as a formula."""

Row = dict[str, Any]


class Start(Moment):
    """The beginning of a period; also `today` and `yesterday`, for schedulers."""

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the first instant of the period, in UTC."""
        days = _DAYS.get(value.strip().lower()) if isinstance(value, str) else None
        return super().convert(value if days is None else _day(days), param, ctx)


class End(Start):
    """The end of a period; a date includes its day."""

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the first instant after the period, in UTC."""
        moment = super().convert(value, param, ctx)
        is_day = isinstance(value, str) and (value.strip().lower() in _DAYS or _DATE.fullmatch(value.strip()))
        return moment + timedelta(days=1) if is_day else moment


_DAYS = {"today": 0, "yesterday": 1}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{8}")


def _day(ago: int) -> str:
    return (clock.now() - timedelta(days=ago)).date().isoformat()


@click.command(cls=Command)
@click.option("--gateway", type=Words(40), help="Its name, such as stripe/live; needless where only one has a list.")
@click.option("--from", "since", type=Start(), required=True, help="The first moment of the period, or yesterday.")
@click.option("--to", "until", type=End(), required=True, help="Its end; a plain date includes that day.")
@click.option(
    "--format", "as_", type=click.Choice(["csv", "json"]), help="Report every movement, not only differences."
)
@click.option("--output", type=click.File("w", encoding="utf-8", lazy=True), help="The report's file (CSV by default).")
@with_appcontext
def reconcile(gateway: str | None, since: datetime, until: datetime, as_: str | None, output: TextIO | None) -> None:
    r"""Compare what a gateway lists with our operations.

    Reads the gateway's own list of the period and every operation of ours that succeeded in it, and looks up what the
    list does not have. Prints a line for each difference. With --format or --output it writes a report of every
    movement with its fee, net amount and payout, whose last line says how the reconciliation ended; json is one object
    a line. It changes no payment and no key, and writes one row about its result. Safe beside traffic.

    \b
    Exit code: 0 no differences
               1 there are differences
               2 there is no such gateway, or it has no list
               3 not finished: the database or the gateway did not answer
    """
    if since >= until:
        raise click.UsageError("--from is not before --to")
    write = _writer(as_ or ("csv" if output else None), output or sys.stdout)

    with progress(int((until - since).total_seconds()), "Reading the gateway's list") as advance:
        reached = since

        def tell(line: Line) -> None:
            nonlocal reached
            write(_row(line))
            at = line.entry.created_at if line.entry else None
            if at is not None and at > reached:
                advance(int((at - since).total_seconds()) - int((reached - since).total_seconds()))
                reached = at

        try:
            result = reconciliation.reconcile(dependencies(), gateway, since, until, tell)
        except CannotBeReconciled as error:
            raise click.UsageError(str(error)) from error
    write({"line": "summary", "difference": "not_finished" if result.cut_short else "", "what": _summary(result)})
    _end(result, is_told=as_ is None and output is None)


def _end(result: Result, *, is_told: bool) -> None:
    """Exit with the code, after a summary on standard error if standard output does not have it."""
    if result.cut_short is not None:
        raise TemporaryFailure(_summary(result))
    if not is_told:
        click.echo(_summary(result), err=True)
    sys.exit(1 if result.found.differences else 0)


def _summary(result: Result) -> str:
    found = result.found
    counted = f"{found.movements} movements of {found.gateway}, {found.differences} differences"
    return counted if result.cut_short is None else f"not finished after {counted}: {result.cut_short}"


def _row(line: Line) -> Row:
    entry, ours, difference = line.entry, line.ours, line.difference
    row: Row = {"line": "movement", "payment_id": line.payment_id}
    if difference is not None:
        row |= {"difference": difference.kind.value, "what": difference.what}
    if ours is not None:
        row |= {
            "kind": ours.kind.value,
            "operation_id": ours.operation_id,
            "gateway_key": ours.gateway_key,
            "reference": ours.gateway_reference,
            "amount_here": ours.amount,
            "currency_here": ours.currency,
            "status_here": ours.operation_status.value,
        }
    if entry is not None:
        row |= {
            "kind": entry.kind.value,
            "gateway_key": entry.gateway_key or row.get("gateway_key"),
            "reference": entry.reference or row.get("reference"),
            "at": entry.created_at and entry.created_at.isoformat(),
            **{name: getattr(entry, name) for name in ("amount", "currency", "fee", "net", "settlement_currency")},
            "payout": entry.payout,
        }
    return row


def _writer(as_: str | None, file: TextIO) -> Callable[[Row], None]:
    """Return a function that writes each row of a report at once, so that an incomplete report can be read."""
    if as_ == "json":
        return lambda row: _write(file, json.dumps({name: row.get(name) for name in COLUMNS}, default=str))
    if as_ is None:
        return _tell
    table = csv.writer(file, lineterminator="\n")
    is_begun = False

    def write(row: Row) -> None:
        nonlocal is_begun
        if not is_begun:
            table.writerow(COLUMNS)
            is_begun = True
        table.writerow([_cell(row.get(name)) for name in COLUMNS])

    return write


def _write(file: TextIO, line: str) -> None:
    file.write(line + "\n")


def _tell(row: Row) -> None:
    if row["line"] != "summary":
        if row.get("difference"):
            click.echo(_sentence(row))
    elif not row["difference"]:
        click.echo(row["what"])


def describe(line: Line) -> str:
    """Return a difference as one line."""
    return _sentence(_row(line))


def _sentence(row: Row) -> str:
    subject = f"payment {row['payment_id']}" if row["payment_id"] else row["reference"] or row["gateway_key"]
    return f"{row['difference']} {row['kind']} {subject}: {row['what']}"


def _cell(value: Any) -> Any:
    """Return a value as a cell; a text that looks like a formula is quoted. Numbers are ours, and may be negative."""
    is_formula = isinstance(value, str) and value.startswith(FORMULA)
    if isinstance(value, Decimal):
        return format(value, "f")
    return f"'{value}" if is_formula else value
