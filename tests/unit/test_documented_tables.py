"""The tables of the documents say what the code says, no more and no less."""

import re
from collections.abc import Iterator
from pathlib import Path

from payment_service import create_app
from payment_service.channels import CHANNELS
from payment_service.config import Settings
from payment_service.domain.errors import ServiceError
from payment_service.gateways.outcomes import MAGIC_AMOUNTS
from tests.support.markdown import document
from tests.support.processes import ROOT

NONE = "\N{EN DASH}"
"""What stands in a cell where there is nothing."""

ANSWERS = {"declined": "actual", "none": "no_answer", "pending": "pending"}
"""How README words the first answer of the simulated gateway."""


def routes(directory: Path) -> set[str]:
    """`GET /payments/{payment_id}` and the like; what is there under `/v1` once more is left out."""
    app = create_app(Settings(database_url=f"sqlite:///{directory}/none.db", log_level="ERROR"))
    found = {
        f"{method} {named(rule.rule)}"
        for rule in app.url_map.iter_rules()
        if "/assets/" not in rule.rule  # what a page is made of
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    return {route for route in found if once(route) == route or once(route) not in found}


def named(rule: str) -> str:
    """A rule with its arguments as documents write them."""
    return re.sub("<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", rule)


def once(route: str) -> str:
    """The route without the prefix."""
    return route.replace(" /v1/", " /")


def test_the_readme_shows_every_route_and_the_pages_of_operators_are_shown_in_theirs(tmp_path: Path) -> None:
    real = routes(tmp_path)
    text = document("README.md").text + document("docs/operations.md").text
    shown = set(re.findall(r"`((?:GET|POST|PATCH|PUT|DELETE) /[^` ]*)`", text))

    assert real - shown == set()
    assert {route for route in shown if route not in real and once(route) not in real} == set()


def test_the_readme_leads_to_a_page_of_every_channel() -> None:
    callers = [cells[0] for cells in document("README.md").section("Callers").rows()]

    assert sorted(callers) == sorted(f"[{channel.name}](docs/channels/{channel.name}.md)" for channel in CHANNELS)


def every_error(kind: type[ServiceError] = ServiceError) -> Iterator[type[ServiceError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from every_error(each)


def test_the_readme_gives_the_advice_that_the_errors_give() -> None:
    real = {error.code: error.retry.key or NONE for error in every_error()} | {"payment_declined": "new"}
    rows = document("README.md").section("What an answer tells the caller to do").rows()
    shown = {code: cells[2] for cells in rows if len(cells) == 4 for code in re.findall(r"`(\w+)`", cells[0])}

    assert len(shown) > 10
    assert shown == {code: real.get(code) for code in shown}


def test_the_readme_shows_every_magic_amount() -> None:
    rows = document("README.md").section("Magic amounts").rows()
    shown = {amount: (ANSWERS[first], truth) for amount, first, truth in rows}

    assert shown == {
        str(amount): (first, f"`{refusal.code}`: {refusal.message}" if refusal else "approved")
        for amount, (first, refusal) in MAGIC_AMOUNTS.items()
    }


def test_the_table_of_variables_is_the_template_of_the_environment() -> None:
    template = dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    sections = re.findall(r"^## (.+)$", document("docs/configuration.md").text, re.MULTILINE)
    rows = [row for title in sections for row in document("docs/configuration.md").section(title).rows()]
    shown = {name.strip("`"): default for name, default, _ in rows}

    assert len(shown) == len(rows)
    assert shown.keys() == template.keys()
    # Where the template leaves a variable empty, what then holds may stand behind in brackets.
    plain = {name: NONE if default.startswith(f"{NONE} (") else default for name, default in shown.items()}
    assert plain == {name: f"`{value}`" if value else NONE for name, value in template.items()}


def test_the_record_of_layers_shows_them_in_the_order_that_is_checked() -> None:
    _, _, listed = (ROOT / "setup.cfg").read_text().partition("\nlayers =\n")
    checked = re.findall(r"\((\w+)\)", listed.partition("\n\n")[0])
    shown = re.findall(r"\w+", re.findall(r"^    (cli .+)$", document("docs/adr/0001-layers.md").text, re.MULTILINE)[0])

    assert len(shown) > 8
    assert shown == [layer for layer in checked if layer in shown]
