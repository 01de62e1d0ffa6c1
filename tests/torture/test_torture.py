"""A short run of each kind inside the suite; long ones are for `make torture`."""

import os
from pathlib import Path
from random import Random, SystemRandom

import pytest

from tests.crash.points import DATABASES, Database
from tests.crash.scenario import open_environment
from tests.support.postgres import ThrowawayPostgres
from tests.torture.runner import torture
from tests.torture.stories import CHANNELS, Story

SEED = int(os.environ.get("TORTURE_SEED") or SystemRandom().randrange(10**9))
"""Other stories and actions every time; a failure names the seed."""

STORIES = 30
SECONDS = 6.0
"""Begin no further story after so long: with start, healing and judgement some fifteen seconds."""


@pytest.mark.parametrize("database", DATABASES)
def test_whatever_befalls_the_service_money_moves_once_and_events_arrive(database: Database, tmp_path: Path) -> None:
    server = ThrowawayPostgres() if database == "postgresql" else None
    try:
        with open_environment(tmp_path, server) as environment:
            report = torture(environment, tmp_path, database, SEED, STORIES, SECONDS)
    finally:
        if server:
            server.close()

    again = f"play it again: python -m tests.torture --seed {SEED} --stories {STORIES} --database {database}"
    assert not report.violations, "\n".join([again, str(report)])
    assert report.wishes
    assert report.effects
    assert sum(report.chaos.values()) > 1


def test_the_same_seed_tells_the_same_stories() -> None:
    def told(seed: int) -> list[tuple[object, ...]]:
        steps = (next(Story("run", number, Random(f"{seed}:{number}")).steps()) for number in range(40))
        return [(step.intent, step.fault, step.twice, step.again, step.other) for step in steps]

    assert told(1) == told(1) != told(2)
    assert {step[0].channel for step in told(1)} == set(CHANNELS)  # type: ignore[attr-defined]
