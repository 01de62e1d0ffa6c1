import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment_service.delivery.backoff import Backoff

HTTP = Backoff()
EVEN = 0.5
"""A chance in the middle: no jitter."""


def test_the_first_tries_come_within_seconds_and_each_waits_twice_as_long() -> None:
    assert [HTTP.delay(attempts, EVEN) for attempts in range(1, 7)] == [1, 2, 4, 8, 16, 32]


def test_no_delay_is_longer_than_the_longest() -> None:
    assert [HTTP.delay(attempts, EVEN) for attempts in (9, 10, 11, 500)] == [256, 300, 300, 300]
    assert Backoff(first=60, longest=60).delay(1, EVEN) == 60


@pytest.mark.parametrize(("longest", "tries"), [(300.0, 872), (60.0, 4325)])
def test_after_three_days_of_its_own_schedule_it_gives_up(longest: float, tries: int) -> None:
    backoff = Backoff(longest=longest)
    assert backoff.delay(tries - 1, EVEN) is not None
    assert backoff.delay(tries, EVEN) is None
    waited = sum(backoff.delay(attempts, EVEN) or 0 for attempts in range(1, tries))
    assert 71.9 * 3600 < waited <= 72 * 3600


def test_the_jitter_is_a_fifth_either_way() -> None:
    assert [HTTP.delay(5, chance) for chance in (0.0, 0.5, 1.0)] == pytest.approx([12.8, 16, 19.2])


@given(attempts=st.integers(1, 10**9), chance=st.floats(0, 1))
def test_any_number_of_failures_has_an_answer_within_bounds(attempts: int, chance: float) -> None:
    delay = HTTP.delay(attempts, chance)
    assert delay is None or 0.8 <= delay <= 360


def test_without_an_end_to_its_patience_it_never_gives_up() -> None:
    assert Backoff(patience=float("inf"), longest=15).delay(10**6, EVEN) == 15
