"""A requirement that a test does not find: a reported skip for a developer without it, a failure where CI decides."""

import os
from typing import NoReturn

import pytest


def is_missing(reason: str, details: str = "") -> NoReturn:
    """Skip the calling test for this reason; under CI=true fail it, with the details."""
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(f"{reason}\n{details}" if details else reason)
    pytest.skip(reason)
