"""Valid files for the platforms that host the project, and tests that name a behaviour and show every case."""

import ast
import re
from collections.abc import Iterator

import pytest
import yaml

from tests.conftest import here
from tests.rules.test_delivery_files import TOOLS, run
from tests.support.processes import ROOT

WORKFLOW = ".github/workflows/checks.yml"

RIDDLE = re.compile(r"test_(?:what|who|nobody|somebody|anybody|everybody)(?:ever|m|se|s)?_|test_it_")
"""Beginnings of names that hide the actor: a name says action, condition and result."""


def texts() -> dict[str, str]:
    """Return the text of every test file, by its path."""
    return {str(path.relative_to(ROOT)): path.read_text() for path in sorted((ROOT / "tests").rglob("test_*.py"))}


def loops_with_asserts(test: ast.FunctionDef) -> Iterator[ast.For | ast.While]:
    """Return the loops of a test whose first failure hides the other cases."""
    loops = (node for node in ast.walk(test) if isinstance(node, ast.For | ast.While))
    return (loop for loop in loops if any(isinstance(node, ast.Assert) for node in ast.walk(loop)))


def test_name_of_a_test_begins_with_its_subject() -> None:
    names = [name for text in texts().values() for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)]
    assert len(names) > 2000
    assert [name for name in names if RIDDLE.match(name)] == []


def test_no_test_asserts_in_a_loop() -> None:
    """Cases are parameters, or one comparison of everything that was collected."""
    assert [
        f"{path}::{node.name}"
        for path, text in texts().items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and any(loops_with_asserts(node))
    ] == []


def test_loop_with_an_assert_is_noticed() -> None:
    (test,) = ast.parse("def test_x():\n    for x in y:\n        with z:\n            assert x").body
    assert isinstance(test, ast.FunctionDef)
    assert len(list(loops_with_asserts(test))) == 1


@pytest.mark.parametrize(
    ("schema", "file"), [("vendor.github-workflows", WORKFLOW), ("vendor.renovate", "renovate.json")]
)
def test_file_is_valid_by_its_schema(schema: str, file: str) -> None:
    result = run(TOOLS / "check-jsonschema", "--builtin-schema", schema, file)
    assert result.returncode == 0, result.stdout + result.stderr


def test_workflow_runs_the_whole_check_and_every_version() -> None:
    jobs = yaml.safe_load(here(WORKFLOW).read_text())["jobs"]
    matrix = jobs["versions"]["strategy"]["matrix"]
    oldest = re.search(r"python_requires = >=(3\.\d+)", here("setup.cfg").read_text())

    assert any(".ci/run" in step.get("run", "") for step in jobs["everything"]["steps"])
    assert oldest is not None
    assert matrix["python"][0] == oldest[1]
    assert sorted({*matrix["postgresql"], *(each["postgresql"] for each in matrix["include"])}) == [
        "15",
        "16",
        "17",
        "18",
    ]


def test_package_is_marked_as_typed() -> None:
    assert here("payment_service/py.typed").exists()
    assert "py.typed" in here("setup.cfg").read_text()
