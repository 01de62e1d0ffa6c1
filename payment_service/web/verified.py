"""Tokens that were found good a moment ago: verifying one again costs as much as all the rest of a look-up."""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

from payment_service import clock
from payment_service.domain.callers import Caller

MOST = 4096
"""Tokens remembered; beyond that the one that was used longest ago is forgotten."""


@dataclass(frozen=True)
class Verdict:
    """Who a good token speaks for, until when (seconds since 1970), and whether the key that signed it still holds."""

    caller: Caller
    ends: float
    key_holds: Callable[[], bool]


class Verified:
    """Verdicts by the hash of the token. A token that was refused is judged anew each time. Safe for threads."""

    def __init__(self) -> None:
        self._verdicts: dict[bytes, Verdict] = {}
        self._lock = threading.Lock()

    def find(self, token: str) -> Caller | None:
        """Whom a token speaks for, None where it has to be verified: it is new, has ended, or its key was replaced."""
        digest = _digest(token)
        with self._lock:
            verdict = self._verdicts.pop(digest, None)
            if verdict is None or clock.now().timestamp() >= verdict.ends:
                return None
            self._verdicts[digest] = verdict  # the last one used is the last one forgotten
        return verdict.caller if verdict.key_holds() else None

    def keep(self, token: str, verdict: Verdict) -> None:
        """Remember a good token."""
        with self._lock:
            self._verdicts[_digest(token)] = verdict
            if len(self._verdicts) > MOST:
                del self._verdicts[next(iter(self._verdicts))]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
