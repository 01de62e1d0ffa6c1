"""The API's description names the codes of errors: all of them in its introduction, those of a few routes there."""

import re

import pytest
from flask import Flask

from payment_service import create_app
from payment_service.config import Settings
from payment_service.db import db
from tests.support.description import Described, description_of, operations
from tests.support.processes import ROOT

CODE = re.compile(r"`(\w+)`")
CONFLICTS = {
    ("/v1/payments/{payment_id}/refund", "post"): {"duplicate_refund_suspected", "payable_mismatch"},
    ("/payments/{payment_id}/refunds", "post"): {"payable_mismatch"},
    ("/v1/payments/{payment_id}/refunds", "post"): {"payable_mismatch"},
    ("/api/v1/payments/refund", "post"): {"duplicate_refund_suspected"},
}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Described:
    app: Flask = create_app(Settings(database_url=f"sqlite:///{tmp_path_factory.mktemp('none')}/none.db"))
    with app.app_context():
        db.engine.dispose()
    return description_of(app)


def test_the_introduction_has_every_code_of_the_reference_and_no_other(described: Described) -> None:
    (page,) = (ROOT / "docs").rglob("errors.md")
    table = page.read_text().partition("\n## Codes\n")[2].partition("\n### ")[0]
    referred = {code for row in table.splitlines() for code in CODE.findall(row.split(" | ")[0])}
    listed = described["info"]["description"].partition("The codes are ")[2].partition("; more may")[0]

    assert set(CODE.findall(listed)) == referred


def test_a_route_with_an_error_of_its_own_names_it_by_status(described: Described) -> None:
    found = {
        (path, method): set(re.findall(r"^- `(\w+)`: ", operation["responses"]["409"]["description"], re.MULTILINE))
        for path, method, operation in operations(described)
        if "409" in operation["responses"]
    }
    assert found == CONFLICTS
