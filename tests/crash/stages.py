"""One way to bring a crash point about: failpoints, faults of the bank, cuts of the database."""

from dataclasses import dataclass
from typing import Any, Literal

Database = Literal["postgresql", "sqlite"]
DATABASES: tuple[Database, ...] = ("postgresql", "sqlite")

Adapter = Literal["remote", "remote-registering", "stripe"]
ADAPTERS: tuple[Adapter, ...] = ("remote", "remote-registering", "stripe")
"""How the service speaks to the bank."""

Ending = Literal["done", "declined", "cancelled", "review"]

News = Literal[
    "pays",  # the customer proves who they are, and so pays
    "fails",  # the customer does not
    "leaves",  # the customer does nothing until the time is over
    "calls_off",  # an order is called off while its customer should act
    "settles",  # the bank decides what it had left pending
    "refund_fails",  # a refund that had succeeded comes back
    "hold_ends",  # a hold expires
    "disputed",  # the customer's bank disputes a charge
]
"""Events after the answer to the first request, at a bank that sends notices."""

ACTS: frozenset[News] = frozenset({"pays", "fails", "leaves", "calls_off"})
"""News of an operation for which the customer must act."""
LATE: frozenset[News] = frozenset({"refund_fails", "hold_ends", "disputed"})
"""News of an operation that was finished."""


@dataclass(frozen=True)
class Fault:
    """One fault of the simulator's for the trial's operation alone: `times` strokes on sends or look-ups."""

    name: str
    on: Literal["send", "register", "lookup"] = "send"
    times: int = 1
    more: tuple[tuple[str, Any], ...] = ()

    @property
    def scope(self) -> dict[str, Any]:
        """As the simulator wants to hear it."""
        return {"on": self.on, "times": self.times, **dict(self.more)}


@dataclass(frozen=True)
class Stage:
    """One way to bring a point about, and how the operation must end.

    `arm` are the failpoints of the first process, `recover` those of the first recovery worker. `cut` names the n-th
    COMMIT at which the database connection is cut, before or after the server has heard it. `registers`: only what the
    bank registers before money moves comes by here. `news` happens afterwards; `hook` are the failpoints of the process
    that hears of it first, by the bank's notice or by the caller who calls off; `loses` is a bank that loses its
    notices. `reconcile` are the failpoints of a reconciliation. `spends`: the bank repeats its own failure under the
    key, and what became of a refund is a person's to ask.
    """

    arm: str = ""
    faults: tuple[Fault, ...] = ()
    gateway_is_down: bool = False
    client_leaves: bool = False
    cut: tuple[int, Literal["before", "after"]] | None = None
    recover: str = ""
    ends: Ending = "done"
    only: Database | None = None
    registers: bool = False
    news: News | None = None
    hook: str = ""
    loses: bool = False
    reconcile: str = ""
    spends: bool = False

    @property
    def stops(self) -> bool:
        """Whether the first process is stopped and resumed instead of killed."""
        return self.arm.endswith("=stop")

    @property
    def sleeps(self) -> bool:
        """Whether the first process is killed from outside while it sleeps at a failpoint."""
        return "=sleep" in self.arm

    @property
    def lingers(self) -> bool:
        """Whether the bank may still work after all other processes have finished."""
        return bool({SLOW, LATE_ANSWER} & set(self.faults))


ASLEEP = "sleep:0.15"
SILENCE_MS = 600
"""Longer than the service under trial waits for the gateway."""
UNDER_WAY = 2 * SILENCE_MS / 1000
"""Seconds after which the slowest bank has done what it was sent."""

SLOW = Fault("slow", more=(("ms", SILENCE_MS),))
LATE_ANSWER = Fault("sleep_then_answer", more=(("ms", SILENCE_MS),))
REFUSES = Fault("decline")
FAILS = Fault("error_before_effect")
DENIES = Fault("not_found", on="lookup")
LOOKUP_FAILS = Fault("error_before_effect", on="lookup")
