"""The figures of reconciliation: a gateway that nobody reconciles is seen, and a finding stays until a run ends it."""

import math
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from payment_service import clock
from payment_service.domain.business_metrics import Reconciliation
from payment_service.gateways.base import Gateway
from payment_service.gateways.mollie import MollieGateway
from payment_service.gateways.offline import OfflineGateway
from payment_service.gateways.remote import RemoteGateway
from payment_service.repositories import reconciliation
from payment_service.services import business_metrics
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp, dependencies_of
from tests.support.operators import page, signed_in
from tests.support.scraped import scraped

TODAY = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)


def ran(deps: Dependencies, first: int, last: int, differences: int, *, is_complete: bool = True) -> None:
    """Write down a run over the days from `first` to `last`, both as days ago."""
    since, until = TODAY - timedelta(days=first), TODAY - timedelta(days=last - 1)
    with deps.database.atomic("test") as connection:
        run = Reconciliation("remote", since, until, 9, differences, clock.now())
        reconciliation.record(connection, run, is_complete=is_complete)


def standing(deps: Dependencies) -> list[tuple[int, int]]:
    """Return the days ago of each period's first day, with its differences."""
    [figures] = business_metrics.current(deps).reconciliations
    return [((TODAY - each.since).days, each.differences) for each in figures.periods]


@pytest.mark.parametrize(
    ("gateway", "ages"),
    [
        (MollieGateway("live_" + 30 * "x"), [math.inf]),
        (RemoteGateway("https://gateway.example.com"), [math.inf]),
        (OfflineGateway(), []),
    ],
    ids=["mollie", "remote", "offline"],
)
def test_gateway_with_a_list_that_was_never_reconciled_is_infinitely_old(
    make_app: MakeApp, gateway: Gateway, ages: list[float]
) -> None:
    deps = dependencies_of(make_app(gateway=gateway))
    assert [each.age for each in business_metrics.current(deps).reconciliations] == ages


def test_differences_of_a_night_stay_when_the_next_night_has_none(deps: Dependencies) -> None:
    ran(deps, 2, 2, 3)
    ran(deps, 1, 1, 0)
    assert standing(deps) == [(1, 0), (2, 3)]


def test_complete_run_over_the_period_takes_its_place(deps: Dependencies) -> None:
    ran(deps, 3, 3, 3)
    ran(deps, 2, 2, 4)
    ran(deps, 3, 3, 1)
    ran(deps, 2, 2, 0)
    assert standing(deps) == [(2, 0), (3, 1)]
    ran(deps, 5, 1, 0)
    assert standing(deps) == [(5, 0)]


def test_run_over_a_part_or_one_cut_short_takes_no_place(deps: Dependencies) -> None:
    ran(deps, 4, 3, 2)
    ran(deps, 3, 3, 0)
    ran(deps, 4, 3, 0, is_complete=False)
    assert standing(deps) == [(3, 0), (4, 2)]


def test_differences_end_after_thirty_days_unless_the_period_is_the_last(deps: Dependencies) -> None:
    ran(deps, 50, 50, 2)
    ran(deps, 40, 40, 3)
    assert standing(deps) == [(40, 3)]
    ran(deps, 1, 1, 0)
    assert standing(deps) == [(1, 0)]


def test_scrape_has_a_series_for_each_period_with_differences(client: FlaskClient, deps: Dependencies) -> None:
    ran(deps, 2, 2, 3)
    ran(deps, 1, 1, 0)
    day, yesterday = TODAY - timedelta(days=2), TODAY - timedelta(days=1)
    labels = {"gateway": "remote", "since": day.isoformat(), "until": yesterday.isoformat()}
    seen = scraped(client)

    assert seen("reconciliation_differences", **labels) == 3
    assert seen("reconciliation_differences", gateway="remote") == 3


def test_overview_shows_every_period_with_differences(make_app: MakeApp) -> None:
    app = make_app()
    ran(dependencies_of(app), 2, 2, 3)
    ran(dependencies_of(app), 1, 1, 0)
    shown = page(signed_in(app))
    assert "<strong>3</strong> differences" in shown
    assert shown.count('<th scope="row">remote</th>') == 2
