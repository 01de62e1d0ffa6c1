"""The files for the platforms that host the project: valid by their own schemas, and in step with the project."""

import re

import pytest
import yaml

from tests.conftest import here
from tests.unit.test_delivery_files import TOOLS, run

WORKFLOW = ".github/workflows/checks.yml"


@pytest.mark.parametrize(
    ("schema", "file"), [("vendor.github-workflows", WORKFLOW), ("vendor.renovate", "renovate.json")]
)
def test_file_is_valid_by_its_schema(schema: str, file: str) -> None:
    result = run(TOOLS / "check-jsonschema", "--builtin-schema", schema, file)
    assert result.returncode == 0, result.stdout + result.stderr


def test_workflow_plays_the_whole_check_and_every_version() -> None:
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


def test_package_says_that_it_is_typed() -> None:
    assert here("payment_service/py.typed").exists()
    assert "py.typed" in here("setup.cfg").read_text()
