"""Each variable, error code, metric and command has one entry in the documents; every other place only mentions it."""

import re
from collections import Counter
from collections.abc import Iterator

import click
from flask import Flask

from payment_service.domain.errors import ServiceError
from payment_service.metrics.exposition import names
from tests.rules.test_documentation import flattened
from tests.rules.test_documented_tables import ADVICE_OF_NO_CLASS, every_error
from tests.support.markdown import documents
from tests.support.processes import ROOT

BASES = {"bad_request", "refused"}
"""Codes of base classes: every error that a client gets has the code of a subclass."""

OF_THE_LIBRARIES = {"db", "routes", "run", "shell"}
"""Commands of Flask and its extensions; of theirs the documents explain `db upgrade` alone."""


def entries(heading: str) -> Counter[str]:
    """Count the code spans in the first column of every table with this heading, in all documents."""
    found: Counter[str] = Counter()
    for doc in documents():
        for head, rows in doc.tables:
            if head[0] == heading:
                found.update(span for row in rows for span in re.findall(r"`([^`]+)`", row[0]))
    return found


def test_every_variable_has_one_entry() -> None:
    template = re.findall(r"^#?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE)

    assert entries("variable") == Counter(template)


def test_every_error_code_has_one_entry() -> None:
    codes = {error.code for error in every_error(ServiceError) if error.__module__.startswith("payment_service.")}

    assert entries("code") == Counter((codes | ADVICE_OF_NO_CLASS.keys()) - BASES)


def test_every_metric_has_one_entry() -> None:
    shown = entries("name")

    assert {re.sub(r"_(bucket|count|sum)$", "", name) if "_seconds_" in name else name for name in names()} == {
        name.partition("{")[0] for name in shown
    }
    assert max(shown.values()) == 1


def leaves(app: Flask) -> Iterator[str]:
    """Yield the service's own commands as they are typed: `deliveries list`."""
    for name, command in flattened(app.cli.commands):
        if not isinstance(command, click.Group) and name.split()[0] not in OF_THE_LIBRARIES:
            yield name


def test_every_command_has_one_entry(app: Flask) -> None:
    (table,) = (rows for doc in documents() for head, rows in doc.tables if head == ["command", "what it does"])
    # A row explains the command in its first cell, and the commands of the same group that its second cell names.
    explained = [
        re.findall(r"`(?:flask --app wsgi )?([^`]+)`", f"{own} {re.sub('`[a-z-]+`', '', others)}")
        for own, others in table
    ]
    wanted = {*leaves(app), "simulator", "db upgrade"}

    assert len(wanted) > 15
    assert {name: sum(name in spans for spans in explained) for name in wanted} == dict.fromkeys(wanted, 1)
