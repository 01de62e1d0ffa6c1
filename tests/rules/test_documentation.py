"""The documents name only what exists: files, targets, commands, options and variables."""

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
from flask import Flask

from payment_service.channels.orders.response_schemas import METHODS
from payment_service.domain.errors import ServiceError
from payment_service.domain.lifecycle import Status
from payment_service.gateways.simulated import REFUSALS
from simulator.command import simulator
from tests.support.markdown import Document, document, documents
from tests.support.processes import ROOT

SUFFIXES = ("py", "md", "txt", "in", "cfg", "toml", "yml", "yaml", "json", "conf", "template")
MADE_BY_A_RUN = ("var/", "build/")
MADE_BY_A_READER = re.compile(r"\bSave\b[^.`]*`([^`]+)`")
READ_BY_TESTS = {"STRIPE_DESCRIPTION", "TEST_DATABASE_URL"}
LONGEST_README, LONGEST_GLOSSARY = 130, 160

FOREIGN = "docs/explanation/coming-from-the-documents.md"
"""This page's left column has the names that other projects use."""

every_document = pytest.mark.parametrize("doc", documents(), ids=lambda doc: str(doc.path.relative_to(ROOT)))


@pytest.fixture(scope="module")
def commands(app: Flask) -> dict[str, click.Command]:
    """Return every command of `flask --app wsgi`, groups flattened: `deliveries list`."""
    own = app.cli.commands
    added = {"simulator": simulator, **{entry.name: entry.load() for entry in entry_points(group="flask.commands")}}
    return dict(flattened({**own, **added}))


def flattened(group: Mapping[str, click.Command]) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.items():
        yield name, command
        if isinstance(command, click.Group):
            for inner in command.commands:
                yield f"{name} {inner}", command.commands[inner]


def error_codes(kind: type[ServiceError] = ServiceError) -> Iterator[str]:
    yield kind.code
    for each in kind.__subclasses__():
        yield from error_codes(each)


def looks_like_a_path(span: str) -> bool:
    if re.search(r"[^\w./*-]", span) or span.startswith(("/", "http")) or "//" in span:
        return False
    stem, _, suffix = span.rpartition(".")
    return (suffix in SUFFIXES and bool(stem)) or (span.endswith("/") and len(span) > 1)


@every_document
def test_every_link_has_a_target(doc: Document) -> None:
    targets = [(target, *target.partition("#")[::2]) for target in doc.links]
    broken = [whole for whole, path, _ in targets if path and not (doc.path.parent / path).exists()]
    anchored = [(doc.path.parent / path if path else doc.path, anchor) for _, path, anchor in targets if anchor]

    assert broken == []
    assert [(path.name, anchor) for path, anchor in anchored if anchor not in anchors(path)] == []


def anchors(path: Path) -> set[str]:
    return {anchor for _, anchor, _ in Document(path).headings}


def own_spans(doc: Document) -> list[str]:
    if doc.path != ROOT / FOREIGN:
        return doc.spans
    return [span for line in doc.prose.splitlines() for span in re.findall("`([^`]+)`", line.split(" | ", 1)[-1])]


@every_document
def test_every_file_that_is_named_exists(doc: Document) -> None:
    made = (*MADE_BY_A_RUN, *MADE_BY_A_READER.findall(doc.prose))
    named = [span for span in own_spans(doc) if looks_like_a_path(span) and not span.startswith(made)]
    places = (ROOT, ROOT / "payment_service", doc.path.parent)

    assert [name for name in named if not any(any(place.glob(name.rstrip("/"))) for place in places)] == []


@every_document
def test_every_make_target_exists(doc: Document) -> None:
    targets = set(re.findall(r"^([a-z0-9_/-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {target for text in doc.code for target in re.findall(r"\bmake ([a-z0-9-]+)", text)}

    assert named - targets == set()


@every_document
def test_every_command_exists(doc: Document, commands: dict[str, click.Command]) -> None:
    named = {
        word for text in doc.code for word in re.findall(r"flask --app wsgi ([a-z]+(?:-[a-z]+)*(?: [a-z]+)?)", text)
    }

    assert named - commands.keys() == set()


@every_document
def test_every_option_of_a_command_exists(doc: Document, commands: dict[str, click.Command]) -> None:
    options = {word for command in commands.values() for option in command.params for word in option.opts}
    named = {span.partition(" ")[0].partition("=")[0] for span in doc.spans if span.startswith("--")}
    typed = {word for text in doc.code if "flask --app" in text for word in re.findall(r" (--[a-z-]+)", text)}

    assert (named | typed) - options - {"--app"} == set()


@every_document
def test_every_variable_exists(doc: Document) -> None:
    variables = set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    other_words = {*error_codes(), *Status, *(refusal.code for refusal in REFUSALS), *METHODS, *READ_BY_TESTS}
    named = {match[1] for span in doc.spans if (match := re.match(r"([A-Z][A-Z0-9]*_[A-Z0-9_]+)(=\S*)?$", span))}

    assert named - variables - other_words == set()


def test_readme_starts_with_two_commands() -> None:
    (_, first), *_ = [block for block in document("README.md").blocks if block[0] == "bash"]

    assert [line.split("#")[0].strip() for line in first.splitlines()] == ["make run", "make test"]


@every_document
def test_page_has_no_marks_of_a_merge(doc: Document) -> None:
    assert re.findall(r"^(?:<{7}|={7}|>{7})(?: .*)?$", doc.text, re.MULTILINE) == []


def test_readme_stays_short() -> None:
    assert len(document("README.md").text.splitlines()) <= LONGEST_README


def test_services_scaled_in_the_deploy_guide_exist_in_compose() -> None:
    services = re.findall(r"^  ([a-z-]+):$", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE)
    scaled = re.findall(r"--scale ([a-z-]+)=", document("docs/how-to/deploy.md").text)

    assert scaled
    assert set(scaled) <= set(services)


def test_every_document_is_reachable_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    found, waiting = set[Path](), [index]
    while waiting:
        page = waiting.pop()
        found.add(page)
        linked = {(page.parent / link.partition("#")[0]).resolve() for link in Document(page).links}
        waiting += [path for path in linked - found if path.suffix == ".md" and path.exists()]

    assert {doc.path for doc in documents()} - found == set()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/index.md"])
def test_entry_pages_link_the_glossary(name: str) -> None:
    assert "(reference/glossary.md)" in document(name).text.replace("(docs/", "(")


def test_glossary_stays_short() -> None:
    assert len(document("docs/reference/glossary.md").text.splitlines()) <= LONGEST_GLOSSARY


def test_glossary_explains_no_word_twice() -> None:
    tables = document("docs/reference/glossary.md")
    titles = re.findall(r"^## (.+)$", tables.text, re.MULTILINE)
    words = [cells[0] for title in titles for cells in tables.section(title).rows()]

    assert len(words) > 60
    assert [word for word in words if words.count(word) > 1] == []


def test_changelog_begins_with_the_unreleased_changes() -> None:
    first, *released = re.findall(r"^## (.+)$", document("CHANGELOG.md").text, re.MULTILINE)
    form = re.compile(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d")

    assert first == "[Unreleased]"
    assert [heading for heading in released if not form.fullmatch(heading)] == []
