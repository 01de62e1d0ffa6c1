"""The whole service against the model, by chance: twenty thousand operations in every test run, never the same."""

import os
from random import SystemRandom

import pytest

from tests.model.walking import walk

PARTS, OPERATIONS = 5, 2000
"""On each database; hundreds of thousands are for `make model`."""

THROUGH_STRIPE = 1000
"""On each database: each takes some ten times as long."""

SEED = int(os.environ.get("MODEL_SEED") or SystemRandom().randrange(10**9))


@pytest.mark.parametrize("part", range(PARTS))
def test_operations_end_as_the_model_predicts(database_url: str, part: int) -> None:
    walked = walk(database_url, OPERATIONS, SEED + 100 * part)

    assert walked.operations >= OPERATIONS
    assert len(walked.visited) > 15, walked.visited


def test_operations_through_stripe_end_as_the_model_predicts(database_url: str) -> None:
    walked = walk(database_url, THROUGH_STRIPE, SEED + 1000, "stripe")

    assert walked.operations >= THROUGH_STRIPE
    assert {"act", "again"} <= {what for _, what in walked.visited}, walked.visited
