"""When to try again: a pure value for each sink."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """First tries within seconds, then `factor` times longer each, up to `longest`; `patience` seconds in all.

    `jitter` is the share by which a delay may vary either way, so that what failed together does not return together.
    """

    first: float = 1.0
    factor: float = 2.0
    longest: float = 300.0
    patience: float = 72 * 3600.0
    jitter: float = 0.2

    def delay(self, attempts: int, chance: float) -> float | None:
        """Seconds to wait after the `attempts`th failure (from 1); None: no further try.

        `chance` is a random number from 0 to 1, handed in so that the same arguments give the same answer. Patience is
        counted in the schedule's own time: a relay that was down for days has not used it up.
        """
        plain = self._plain(attempts)
        if self._waited(attempts) + plain > self.patience:
            return None
        return plain * (1 + self.jitter * (2 * chance - 1))

    def _plain(self, attempt: int) -> float:
        return min(self.longest, self.first * self.factor ** min(attempt - 1, self._growing))

    def _waited(self, attempts: int) -> float:
        """The delays before the `attempts`th failure, added up."""
        growing = min(attempts - 1, self._growing)
        return sum(self._plain(attempt) for attempt in range(1, growing + 1)) + (attempts - 1 - growing) * self.longest

    @property
    def _growing(self) -> int:
        """How many delays are shorter than the longest."""
        return math.ceil(math.log(self.longest / self.first, self.factor))
