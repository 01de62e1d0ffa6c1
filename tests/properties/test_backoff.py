from hypothesis import given
from hypothesis import strategies as st

from payment_service.delivery.backoff import Backoff


@given(attempts=st.integers(1, 10**9), chance=st.floats(0, 1))
def test_any_number_of_failures_has_a_delay_within_bounds(attempts: int, chance: float) -> None:
    delay = Backoff().delay(attempts, chance)
    assert delay is None or 0.8 <= delay <= 360
