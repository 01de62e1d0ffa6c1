"""Tokens that say less of their user than an earlier one. Release 1.0.0 then forgot the address."""

from typing import Any

import pytest
from flask import Flask

from payment_service.models import users
from payment_service.services.dependencies import Dependencies
from tests.support.bookers import Booker
from tests.support.database import rows

KNOWN = {"email": "ada@example.com", "is_verified": True}


def known_after(app: Flask, deps: Dependencies, *tokens: dict[str, Any]) -> tuple[Any, Any]:
    for claims in tokens:
        Booker(app, "ada", **claims).page()
    (row,) = rows(deps, users)
    return row["email"], row["is_verified"]


@pytest.mark.parametrize(
    ("later", "email", "is_verified"),
    [
        ({}, "ada@example.com", True),
        ({"email": None, "is_verified": None}, "ada@example.com", True),
        ({"email": "no address"}, "ada@example.com", True),
        ({"email": "ada@example.org"}, "ada@example.org", True),
        ({"is_verified": False}, "ada@example.com", False),
        ({"is_verified": "yes"}, "ada@example.com", False),
        ({"email": "ada@example.org", "is_verified": False}, "ada@example.org", False),
    ],
)
def test_c9_absent_claims_keep_the_stored_values(
    app: Flask, deps: Dependencies, later: dict[str, Any], email: str, is_verified: bool
) -> None:
    """Release 1.0.0 wrote NULL and false for claims that a token does not have."""
    assert known_after(app, deps, KNOWN, later) == (email, is_verified)
    assert known_after(app, deps, {}) == (email, is_verified)


def test_c9_unknown_user_without_claims_is_stored(app: Flask, deps: Dependencies) -> None:
    """As in release 1.0.0; a later token fills the row."""
    assert known_after(app, deps, {}) == (None, False)
    assert known_after(app, deps, KNOWN) == tuple(KNOWN.values())


def test_c9_token_without_changes_writes_nothing(app: Flask, deps: Dependencies) -> None:
    """Release 1.0.0 wrote at each change between the two tokens."""
    known_after(app, deps, KNOWN)
    (before,) = rows(deps, users)
    known_after(app, deps, {}, KNOWN, {})
    assert rows(deps, users) == [before]
