"""A short run of each kind inside the suite; long ones are for `make torture`."""

import os
from collections.abc import Mapping
from pathlib import Path
from random import Random, SystemRandom

import pytest

from tests.crash.scenario import open_environment
from tests.crash.stages import DATABASES, Adapter, Database
from tests.support.postgres import ThrowawayPostgres
from tests.torture.at_stripe.stories import StripeStory
from tests.torture.runner import torture
from tests.torture.stories import CHANNELS, NEVER, Story

SEED = int(os.environ.get("TORTURE_SEED") or SystemRandom().randrange(10**9))
"""Other stories and actions every time; a failure names the seed."""

STORIES: Mapping[Adapter, int] = {"remote": 30, "stripe": 50}
SECONDS: Mapping[Adapter, float] = {"remote": 6.0, "stripe": 15.0}
"""Begin no further story after so long: with start, healing and judgement some fifteen or thirty seconds."""


@pytest.mark.parametrize(
    ("adapter", "database"), [*(("remote", database) for database in DATABASES), ("stripe", "postgresql")]
)
def test_money_moves_once_and_events_arrive_under_every_failure(
    adapter: Adapter, database: Database, tmp_path: Path
) -> None:
    server = ThrowawayPostgres() if database == "postgresql" else None
    try:
        with open_environment(tmp_path, server) as environment:
            stories, seconds = STORIES[adapter], SECONDS[adapter]
            report = torture(environment, tmp_path, database, SEED, stories, seconds, adapter=adapter)
    finally:
        if server:
            server.close()

    again = f"python -m tests.torture --gateway {adapter} --seed {SEED} --stories {stories} --database {database}"
    assert not report.violations, "\n".join([f"play it again: {again}", str(report)])
    assert report.wishes
    assert report.effects
    assert sum(report.chaos.values()) > 1


@pytest.mark.parametrize("kind", [Story, StripeStory])
def test_same_seed_makes_the_same_stories(kind: type[Story]) -> None:
    def told(seed: int) -> list[tuple[object, ...]]:
        steps = (next(kind("run", number, Random(f"{seed}:{number}")).steps()) for number in range(40))
        return [
            (step.intent, step.fault, step.back, step.twice, step.again, step.other, step.renamed) for step in steps
        ]

    assert told(1) == told(1) != told(2)
    assert {step[0].channel for step in told(1)} == set(CHANNELS)  # type: ignore[attr-defined]
    assert {step[0].asks_once for step in told(1)} == {True, False}  # type: ignore[attr-defined]
    assert {step[-1] for step in told(1)} == {NEVER, 1, 2}
