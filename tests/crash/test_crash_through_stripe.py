"""The same deaths through Stripe's adapter, and those between the registration of a charge and its confirmation."""

import pytest

from tests.crash.later_points import LATER
from tests.crash.points import REGISTERING, points_of
from tests.crash.scenario import WorkerSlot
from tests.crash.stages import DATABASES
from tests.crash.suite import dies_safely

POINTS = sorted(points_of("stripe"))


@pytest.mark.parametrize("point", POINTS)
def test_death_at_any_point_loses_no_money_through_stripe(honest: list[WorkerSlot], point: str) -> None:
    dies_safely(honest, "postgresql", point, "stripe")


@pytest.mark.parametrize("point", [*REGISTERING, *LATER, "C6", "C18"])
def test_death_at_any_point_loses_no_money_through_stripe_on_sqlite(honest: list[WorkerSlot], point: str) -> None:
    dies_safely(honest, "sqlite", point, "stripe")


@pytest.mark.parametrize("point", [*REGISTERING, "C6", "C10", "C12"])
def test_death_at_any_point_loses_no_money_at_a_registering_gateway(honest: list[WorkerSlot], point: str) -> None:
    dies_safely(honest, DATABASES[len(point) % 2], point, "remote-registering")
