"""The crash points by the names of the reliability programme, and the ways in which each is brought about.

A point that is a place in the code is a failpoint armed with `kill` (SIGKILL at that very place), with `sleep` (the
process group is killed from outside at some moment of the sleep, while a rival asks for the same), or with `stop`
(SIGSTOP, until somebody else has taken over). A point that is a condition is a fault of the simulator, a gateway that
refuses connections, or a proxy that cuts the database connection at a COMMIT.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Database = Literal["postgresql", "sqlite"]
DATABASES: tuple[Database, ...] = ("postgresql", "sqlite")

Ending = Literal["done", "declined", "review"]


@dataclass(frozen=True)
class Fault:
    """One fault of the simulator's for the trial's operation alone: `times` strokes on sends or look-ups."""

    name: str
    on: Literal["send", "lookup"] = "send"
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
    COMMIT at which the database connection is cut, before or after the server has heard it.
    """

    arm: str = ""
    faults: tuple[Fault, ...] = ()
    gateway_is_down: bool = False
    client_leaves: bool = False
    cut: tuple[int, Literal["before", "after"]] | None = None
    recover: str = ""
    ends: Ending = "done"
    only: Database | None = None

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
        """Whether the bank may still be at it when everybody else is done."""
        return bool({SLOW, LATE_ANSWER} & set(self.faults))


ASLEEP = "sleep:0.15"
SILENCE_MS = 600
"""Longer than the service under trial waits for the gateway."""
UNDER_WAY = 2 * SILENCE_MS / 1000
"""Seconds after which the slowest bank has done what it was sent."""

SLOW = Fault("slow", more=(("ms", SILENCE_MS),))
LATE_ANSWER = Fault("sleep_then_answer", more=(("ms", SILENCE_MS),))
REFUSES = Fault("decline")
DENIES = Fault("not_found", on="lookup")
LOOKUP_FAILS = Fault("error_before_effect", on="lookup")


def _places(name: str) -> tuple[Stage, Stage]:
    return Stage(f"{name}=kill"), Stage(f"{name}={ASLEEP}")


POINTS: Mapping[str, tuple[Stage, ...]] = {
    # the request is read, nothing is written
    "C1": _places("claim.begin"),
    # claiming, before COMMIT
    "C2": _places("claim.before_commit"),
    # the claim's COMMIT was sent, its answer never arrived
    "C3": (
        Stage("claim.after_commit=kill"),
        Stage(cut=(1, "before"), only="postgresql"),
        Stage(cut=(1, "after"), only="postgresql"),
    ),
    # claimed, nothing sent
    "C4": _places("claim.after_commit"),
    # the gateway refuses connections
    "C5": (
        Stage(gateway_is_down=True),
        Stage("gateway.answered=kill", gateway_is_down=True),
        Stage("finish.before_commit=kill", gateway_is_down=True),
        Stage("finish.after_commit=kill", gateway_is_down=True),
    ),
    # sent, and the owner dies: at once, before the effect, and with a gateway that first denies it
    "C6": (
        Stage("gateway.sent=kill"),
        Stage("gateway.sent=kill", (SLOW,)),
        Stage("gateway.sent=kill", (DENIES,)),
        Stage("gateway.sent=kill", (Fault("drop_before_effect"),)),
        Stage(f"gateway.sent={ASLEEP}"),
    ),
    # the gateway is silent for too long; the effect comes before or after we gave up
    "C7": (
        Stage(faults=(LATE_ANSWER,)),
        Stage(faults=(SLOW,)),
        Stage("gateway.answered=kill", (LATE_ANSWER,)),
        Stage("finish.after_commit=kill", (SLOW,)),
    ),
    # the gateway talks nonsense
    "C8": (
        Stage(faults=(Fault("error_before_effect"),)),
        Stage(faults=(Fault("error_after_effect"), LOOKUP_FAILS)),
        Stage("gateway.answered=kill", (Fault("garbage"),)),
        Stage(faults=(Fault("truncated"),)),
        Stage(faults=(Fault("wrong_amount"),), ends="review"),
        Stage(faults=(Fault("duplicate"),)),
        Stage("finish.before_commit=kill", (Fault("empty"),)),
        Stage("finish.after_commit=kill", (Fault("drop_after_effect"),)),
        Stage("gateway.answered=kill", (Fault("wrong_amount"),), ends="review"),
        Stage(faults=(Fault("pending", more=(("lookups", 1),)),)),
    ),
    # the gateway declines
    "C9": (
        Stage(faults=(REFUSES,), ends="declined"),
        Stage("gateway.answered=kill", (REFUSES,), ends="declined"),
        Stage("finish.before_commit=kill", (REFUSES,), ends="declined"),
        Stage("finish.after_commit=kill", (REFUSES,), ends="declined"),
        Stage(faults=(Fault("pending", more=(("lookups", 1), ("code", "CARD_DECLINED"))),), ends="declined"),
    ),
    # answered, nothing written about it
    "C10": (*_places("gateway.answered"), Stage("gateway.answered=kill", (LOOKUP_FAILS,))),
    # finishing, before COMMIT
    "C11": _places("finish.before_commit"),
    # the finish's COMMIT was sent, its answer never arrived
    "C12": (
        Stage("finish.after_commit=kill"),
        Stage(cut=(2, "before"), only="postgresql"),
        Stage(cut=(2, "after"), only="postgresql"),
    ),
    # everything is written, nothing answered
    "C13": (*_places("finish.after_commit"), *_places("answer.begin")),
    # the answer is lost on its way
    "C14": (Stage(client_leaves=True), Stage("answer.begin=kill", client_leaves=True)),
    # the owner sleeps beyond its lease; on SQLite a writer stopped inside a transaction would stop everybody
    "C15": (
        Stage("claim.after_commit=stop"),
        Stage("gateway.sent=stop"),
        Stage("gateway.answered=stop"),
        Stage("gateway.answered=stop", (LOOKUP_FAILS,)),
        Stage("finish.before_commit=stop", only="postgresql"),
    ),
    # the recovery worker dies in each of its phases
    "C18": tuple(
        Stage(first, recover=f"{second}=kill")
        for first, second in (
            ("gateway.sent=kill", "recover.before_commit"),
            ("claim.after_commit=kill", "recover.after_commit"),
            ("claim.after_commit=kill", "gateway.sent"),
            ("gateway.answered=kill", "gateway.answered"),
            ("gateway.sent=kill", "finish.before_commit"),
            ("gateway.answered=kill", "finish.after_commit"),
        )
    ),
}

RETRY_KILLS = tuple(
    f"{name}=kill"
    for name in (
        "claim.begin",
        "claim.before_commit",
        "claim.after_commit",
        "gateway.sent",
        "gateway.answered",
        "finish.before_commit",
        "finish.after_commit",
        "answer.begin",
    )
)
"""Where a first retry dies, three times in ten."""

ELSEWHERE: Mapping[str, str] = dict.fromkeys(("relay.claimed", "relay.sent"), "tests/crash/test_relay_deaths.py")
"""Failpoints that no charge or refund passes, and the tests that arm them."""


def stages(point: str, database: Database) -> tuple[Stage, ...]:
    """The ways to bring a point about on a database."""
    return tuple(stage for stage in POINTS[point] if stage.only in {None, database})


def failpoints_used() -> set[str]:
    """The names of all failpoints that some trial passes armed."""
    armed = [text for ways in POINTS.values() for stage in ways for text in (stage.arm, stage.recover) if text]
    return {text.split("=")[0] for text in (*armed, *RETRY_KILLS)}
