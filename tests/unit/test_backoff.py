import pytest

from payment_service.delivery.backoff import Backoff

HTTP = Backoff()
EVEN = 0.5
"""A chance in the middle: no jitter."""


def test_first_tries_follow_within_seconds_with_doubled_pauses() -> None:
    assert [HTTP.delay(attempts, EVEN) for attempts in range(1, 7)] == [1, 2, 4, 8, 16, 32]


def test_delay_never_exceeds_its_maximum() -> None:
    assert [HTTP.delay(attempts, EVEN) for attempts in (9, 10, 11, 500)] == [256, 300, 300, 300]
    assert Backoff(first=60, longest=60).delay(1, EVEN) == 60


@pytest.mark.parametrize(("longest", "tries"), [(300.0, 872), (60.0, 4325)])
def test_schedule_ends_after_three_days(longest: float, tries: int) -> None:
    backoff = Backoff(longest=longest)
    assert backoff.delay(tries - 1, EVEN) is not None
    assert backoff.delay(tries, EVEN) is None
    waited = sum(backoff.delay(attempts, EVEN) or 0 for attempts in range(1, tries))
    assert 71.9 * 3600 < waited <= 72 * 3600


def test_jitter_is_a_fifth_in_both_directions() -> None:
    assert [HTTP.delay(5, chance) for chance in (0.0, 0.5, 1.0)] == pytest.approx([12.8, 16, 19.2])


def test_schedule_without_an_end_never_gives_up() -> None:
    assert Backoff(patience=float("inf"), longest=15).delay(10**6, EVEN) == 15
