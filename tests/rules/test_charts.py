"""The bars of the overview's chart stay within its frame, and each part is as high as its count."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from payment_service.domain.hourly_stats import Change, day_until
from payment_service.domain.lifecycle import Status
from payment_service.web.charts import HEIGHT, SERIES, WIDTH, bars_of, shares_of

NOW = datetime(2026, 11, 20, 13, 45, tzinfo=UTC)
THIS_HOUR = NOW.replace(minute=0)


def charged(times: int) -> dict[Change, int]:
    return {
        Change(THIS_HOUR, "charge", "", "PROCESSING"): times,
        Change(THIS_HOUR, "charged", "PROCESSING", "CAPTURED"): times,
        Change(THIS_HOUR, "failed_attempt", "CAPTURED", "CAPTURED"): 7,
    }


@pytest.mark.parametrize("times", [0, 1, 3, 4, 5, 99, 100, 101, 7321, 999_999, 5_000_000])
def test_highest_bar_fits_and_the_scale_has_round_numbers(times: int) -> None:
    chart = bars_of(day_until(NOW, charged(times)))
    numbers = [number for number, _ in chart.lines]

    assert numbers[-1] == 0
    assert max(times, 1) <= numbers[0] <= max(4, 2 * times)
    assert {upper - lower for upper, lower in pairwise(numbers)} == {numbers[-2]}
    assert [y for _, y in chart.lines] == [0, 50, 100, 150, 200]
    last = chart.bars[-1]
    (captured,) = [part for part in last.parts if part.name == "captured"]
    assert captured.height == pytest.approx(HEIGHT * times / numbers[0], abs=0.01)
    assert captured.y + captured.height == pytest.approx(HEIGHT, abs=0.02)
    assert last.x + chart.bar_width <= WIDTH


def test_bar_stacks_its_parts_and_leaves_out_changes_without_effect() -> None:
    changes = charged(10) | {Change(THIS_HOUR, "charge_declined", "PROCESSING", "FAILED"): 4}
    chart = bars_of(day_until(NOW, changes))
    last = chart.bars[-1]
    assert last.counts == {"captured": 10, "authorized": 0, "refunded": 0, "cancelled": 0, "failed": 4}
    floors = [float(HEIGHT), *(part.y for part in last.parts)]
    bottoms = [part.y + part.height for part in last.parts]
    assert bottoms == pytest.approx(floors[:-1], abs=0.02)
    assert (chart.created, chart.undecided, chart.totals["failed"]) == (10, 7, 4)
    assert sum(bar.created for bar in chart.bars[:-1]) == 0


def test_shares_sum_to_100_percent_and_share_of_zero_is_zero() -> None:
    assert {share.percent for share in shares_of(dict.fromkeys(Status, 0))} == {0}
    shares = shares_of(dict.fromkeys(Status, 3))
    assert sum(share.percent for share in shares) == pytest.approx(100, abs=0.1)  # each one is rounded
    assert [share.status for share in shares] == list(Status)


def test_every_final_status_is_drawn_once() -> None:
    drawn = [status for statuses in SERIES.values() for status in statuses]
    assert sorted(drawn) == sorted(set(Status) - {Status.PENDING, Status.PROCESSING, Status.REQUIRES_ACTION})
