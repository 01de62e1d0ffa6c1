"""The lanes of all trials: a zygote, two banks of each character, and a real PostgreSQL beside SQLite."""

from collections.abc import Iterator

import pytest

from tests.crash.runner import LANES
from tests.crash.scene import Lane, Stagehand, lanes, stagehand
from tests.support.postgres import Postgres


@pytest.fixture(scope="package")
def hand(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Stagehand]:
    with stagehand(tmp_path_factory.mktemp("crash"), postgres) as hand:
        yield hand


@pytest.fixture(scope="package")
def honest(hand: Stagehand) -> Iterator[list[Lane]]:
    with lanes(hand, LANES) as where:
        yield where


@pytest.fixture(scope="package")
def forgetful(hand: Stagehand) -> Iterator[list[Lane]]:
    """Banks that do again whatever they are sent again."""
    with lanes(hand, LANES, not_idempotent=True) as where:
        yield where
