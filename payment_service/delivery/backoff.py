"""The schedule of retries: a pure value for each sink."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Delays that grow by `factor` from `first` to `longest`; `patience` seconds in all.

    `jitter` is the share by which a delay may vary either way, so that what failed together does not return together.
    A delivery that the receiver refuses, and does not merely fail to take, is given up earlier: after `refusals`
    attempts and `refusal_patience` seconds, whichever comes later.
    """

    first: float = 1.0
    factor: float = 2.0
    longest: float = 300.0
    patience: float = 72 * 3600.0
    refusals: int = 8
    refusal_patience: float = 4500.0  # an hour even where every delay is as short as jitter allows
    jitter: float = 0.2

    def delay(self, attempts: int, chance: float, *, is_refusal: bool = False) -> float | None:
        """Return the seconds to wait after the `attempts`th failure (from 1); None: no further attempt.

        `chance` is a random number from 0 to 1, passed in so that the same arguments give the same result. Patience is
        counted in the schedule's own time: a relay that was down for days has not used it up.
        """
        plain, waited = self._plain(attempts), self._waited(attempts)
        if waited + plain > self.patience:
            return None
        if is_refusal and attempts >= self.refusals and waited >= self.refusal_patience:
            return None
        return plain * (1 + self.jitter * (2 * chance - 1))

    def _plain(self, attempt: int) -> float:
        return min(self.longest, self.first * self.factor ** min(attempt - 1, self._growing))

    def _waited(self, attempts: int) -> float:
        """Return the sum of the delays before the `attempts`th failure."""
        growing = min(attempts - 1, self._growing)
        return sum(self._plain(attempt) for attempt in range(1, growing + 1)) + (attempts - 1 - growing) * self.longest

    @property
    def _growing(self) -> int:
        """The number of delays that are shorter than the longest."""
        return math.ceil(math.log(self.longest / self.first, self.factor))
