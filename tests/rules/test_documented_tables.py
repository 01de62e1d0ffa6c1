"""The tables of the documents agree with the code in both directions."""

import re
from collections.abc import Iterator

import pytest
from flask import Flask

from payment_service.channels import CHANNELS, bills
from payment_service.channels.bookings import response_schemas as bookings
from payment_service.channels.checkout import style
from payment_service.channels.orders import response_schemas as orders
from payment_service.channels.trips import response_schemas as trips
from payment_service.domain.errors import ServiceError
from payment_service.domain.lifecycle import Status
from payment_service.gateways.simulated import MAGIC_AMOUNTS
from payment_service.models import metadata
from tests.support.markdown import document
from tests.support.processes import ROOT

NONE = "\N{EN DASH}"
"""The texts of an empty cell."""

ANSWERS = {"declined": "actual", "none": "no_answer", "pending": "pending"}
"""The simulated gateway's first answer, in the words of its page."""
UNDECIDED_BILLS = (Status.PROCESSING, Status.REQUIRES_ACTION)
"""A bill is charged at once, never held and never cancelled."""
ROUTE = re.compile(r"`((?:GET|POST|PATCH|PUT|DELETE) /[^` ]*)`")
NOT_FOR_CALLERS = {
    "bad_request",
    "delivery_not_dead",
    "foreign_form",
    "nothing_pasted",
    "notice_not_genuine",
    "operation_not_open",
    "refused",
    "session_ended",
    "sessions_revoked",
    "sign_in_failed",
    "sign_in_provider_unavailable",
    "token_sign_in_off",
    "too_early_to_decide",
}
"""Codes in no response to a caller: base classes, commands, webhooks, and the operations pages."""
GLOSSARY_TITLES = ("Callers and keys", "Money", "Gateway", "Journal and events", "Operations")
ADVICE_OF_NO_CLASS = {
    "method_not_allowed": NONE,
    "payment_declined": "new",
    "timeout": "same",
    "too_many_requests": "same",
}
"""Retry advice that no class has: of the framework, of the view that declines, of the proxy."""


def routes(app: Flask) -> set[str]:
    """Return routes as `GET /payments/{payment_id}`; repeats under `/v1` are left out."""
    found = {
        f"{method} {named(rule.rule)}"
        for rule in app.url_map.iter_rules()
        if "/assets/" not in rule.rule  # parts of a page
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    return {route for route in found if once(route) == route or once(route) not in found}


def named(rule: str) -> str:
    """Write a rule with its arguments as documents do."""
    return re.sub("<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", rule)


def once(route: str) -> str:
    """Return the route without the prefix."""
    return route.replace(" /v1/", " /")


def test_routes_page_and_operations_page_show_every_route(app: Flask) -> None:
    real = routes(app)
    shown = set(
        ROUTE.findall(document("docs/reference/routes.md").text + document("docs/reference/operations-pages.md").text)
    )

    assert real - shown == set()


def test_routes_shown_in_readme_and_routes_page_exist(app: Flask) -> None:
    real = routes(app)
    pages = ("README.md", "docs/reference/routes.md", "docs/reference/operations-pages.md")
    shown = {route for page in pages for route in ROUTE.findall(document(page).text)}

    assert {route for route in shown if route not in real and once(route) not in real} == set()


@pytest.mark.parametrize(
    ("page", "title", "folder"),
    [("README.md", "Callers", "docs/reference/channels"), ("docs/reference/routes.md", "Channels", "channels")],
)
def test_table_of_channels_links_the_page_of_each(page: str, title: str, folder: str) -> None:
    linked = [cells[0] for cells in document(page).section(title).rows()]

    assert sorted(linked) == sorted(f"[{channel.name}]({folder}/{channel.name}.md)" for channel in CHANNELS)


def every_error(kind: type[ServiceError] = ServiceError) -> Iterator[type[ServiceError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from every_error(each)


def test_table_of_codes_lists_every_error_with_its_retry_advice() -> None:
    # Classes may share a code; one table row gives the advice of one of them.
    advice = {code: {key} for code, key in ADVICE_OF_NO_CLASS.items()}
    for error in every_error():
        if error.__module__.startswith("payment_service.") and error.code not in NOT_FOR_CALLERS:
            advice.setdefault(error.code, set()).add(error.retry.key or NONE)
    rows = document("docs/reference/errors.md").section("Codes").rows()
    shown = {code: cells[2] for cells in rows for code in re.findall(r"`(\w+)`", cells[0])}

    assert shown.keys() == advice.keys()
    assert {code: key for code, key in shown.items() if key not in advice[code]} == {}


def test_table_of_magic_amounts_shows_every_amount() -> None:
    rows = document("docs/reference/simulated-gateway.md").section("Magic amounts").rows()
    shown = {amount: (ANSWERS[first], truth) for amount, first, truth in rows}

    assert shown == {
        str(amount): (first, f"`{refusal.code}`: {refusal.message}" if refusal else "approved")
        for amount, (first, refusal) in MAGIC_AMOUNTS.items()
    }


def test_table_of_variables_is_the_template_of_the_environment() -> None:
    template = dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    sections = re.findall(r"^## (.+)$", document("docs/reference/configuration.md").text, re.MULTILINE)
    sections = [title for title in sections if " refuses" not in title]  # tables of another kind
    rows = [row for title in sections for row in document("docs/reference/configuration.md").section(title).rows()]
    shown = {name.strip("`"): default for name, default, _ in rows}

    assert len(shown) == len(rows)
    assert shown.keys() == template.keys()
    # If the template leaves a variable empty, its default may stand in brackets.
    plain = {name: NONE if default.startswith(f"{NONE} (") else default for name, default in shown.items()}
    assert plain == {name: f"`{value}`" if value else NONE for name, value in template.items()}


def test_record_of_layers_shows_them_in_the_order_that_is_checked() -> None:
    _, _, listed = (ROOT / "setup.cfg").read_text().partition("\nlayers =\n")
    checked = re.findall(r"\((\w+)\)", listed.partition("\n\n")[0])
    shown = re.findall(r"\w+", re.findall(r"^    (cli .+)$", document("docs/adr/0001-layers.md").text, re.MULTILINE)[0])

    assert len(shown) > 8
    assert shown == [layer for layer in checked if layer in shown]


def words_of(status: Status) -> list[str]:
    """Return the words of trips, bills, bookings, orders and checkout for a status."""
    pending = bills.PendingBillPayment(only=["status"]).dump({})["status"]
    bill = pending if status in UNDECIDED_BILLS else NONE
    checkout = style.WORDED_AS.get(status.value, status.value).lower()
    return [trips.STATUS_NAMES[status], bill, bookings.STATUS_NAMES[status], orders.STATUS_NAMES[status], checkout]


def test_table_of_statuses_has_the_words_of_every_channel() -> None:
    page = document("docs/reference/statuses.md")
    rows = {row[0]: row[1:] for row in page.section("Words of the channels").rows()}

    assert [row[0] for row in page.section("Payments").rows()] == list(Status)
    assert rows == {status.value: words_of(status) for status in Status}


def glossary_column(number: int) -> list[list[str]]:
    """Return the code spans of one column of the glossary, row by row: 2 is the code, 3 the table."""
    glossary = document("docs/reference/glossary.md")
    rows = [row for title in GLOSSARY_TITLES for row in glossary.section(title).rows()]
    return [re.findall(r"`([^`]+)`", row[number]) for row in rows]


def test_tables_and_columns_of_the_glossary_exist() -> None:
    real = {*metadata.tables, *(str(column) for table in metadata.tables.values() for column in table.c)}
    unknown = []
    for spans in glossary_column(3):
        table = ""
        for span in spans:
            table = span.partition(".")[0] or table  # `payments.channel`, `.subject`
            unknown += [span] if f"{table}.{span.partition('.')[2]}".rstrip(".") not in real else []

    assert unknown == []


def test_code_names_of_the_glossary_exist() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "payment_service").rglob("*.py"))
    names = {span for spans in glossary_column(2) for span in spans if span.isidentifier()}
    missing = {name for name in names if not re.search(rf"\b{name}\b", code)}

    assert len(names) > 60
    assert missing == set()
