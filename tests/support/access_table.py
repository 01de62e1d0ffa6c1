"""`python -m tests.support.access_table`: the table of routes in `docs/reference/access.md`, from the service."""

import sys
from collections.abc import Iterator

from flask import Flask

from payment_service import create_app
from payment_service.config import Settings
from payment_service.domain.principals import TokenScope
from payment_service.web.access import Need
from payment_service.web.openapi import path_of

NONE = "\N{EN DASH}"
HEAD = "| route | channels | needs |\n|---|---|---|\n"


def needs(app: Flask) -> Iterator[tuple[str, str, tuple[str, ...], Need]]:
    """Method, rule, channels and need of every route, in the order of the paths."""
    table, by_endpoint = app.extensions["access"], app.extensions["needs"]
    for rule in sorted(app.url_map.iter_rules(), key=lambda each: (each.rule, sorted(each.methods or ()))):
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            access = table[rule.endpoint.rpartition(".")[0]]
            yield method, rule.rule, access.channels, by_endpoint[rule.endpoint]


def table_of(app: Flask) -> str:
    """Return the table in Markdown."""
    rules = {rule.rule: path_of(rule) for rule in app.url_map.iter_rules()}
    return HEAD + "".join(
        f"| `{method} {rules[rule]}` | {', '.join(channels) or NONE} | {_word(need)} |\n"
        for method, rule, channels, need in needs(app)
    )


def _word(need: Need) -> str:
    return f"`{need.value}`" if isinstance(need, TokenScope) else need.value


if __name__ == "__main__":
    sys.stdout.write(table_of(create_app(Settings(database_url="sqlite:///unused.db"))))
