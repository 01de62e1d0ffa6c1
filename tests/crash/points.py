"""The crash points by the names of the reliability programme, and the ways in which each is brought about.

A point that is a place in the code is a failpoint armed with `kill` (SIGKILL at that very place), with `sleep` (the
trial kills the process group from outside at some moment of the sleep, while a rival asks for the same), or with `stop`
(SIGSTOP, until another owner has taken over). A point that is a condition is a fault of the simulator, a gateway that
refuses connections, or a proxy that cuts the database connection at a COMMIT.
"""

from collections.abc import Mapping
from dataclasses import replace

from tests.crash.later_points import LATER
from tests.crash.stages import (
    ASLEEP,
    DENIES,
    FAILS,
    LATE_ANSWER,
    LOOKUP_FAILS,
    REFUSES,
    SLOW,
    Adapter,
    Database,
    Fault,
    Stage,
)


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
        Stage(faults=(FAILS,)),
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

REGISTERING: Mapping[str, tuple[Stage, ...]] = {
    # the bank has made an object for it, and only this process knows its id
    "C6a": (
        Stage("gateway.registered=kill", registers=True),
        Stage(f"gateway.registered={ASLEEP}", registers=True),
        Stage("gateway.registered=stop", registers=True),
    ),
    # writing the id down
    "C6b": (
        Stage("note.before_commit=kill", registers=True),
        Stage("note.after_commit=kill", registers=True),
        Stage(f"note.before_commit={ASLEEP}", registers=True),
        Stage(cut=(2, "before"), only="postgresql", registers=True),
        Stage(cut=(2, "after"), only="postgresql", registers=True),
    ),
    # the id is committed, nothing is confirmed
    "C6c": (
        Stage("gateway.noted=kill", registers=True),
        Stage(f"gateway.noted={ASLEEP}", registers=True),
        Stage("gateway.noted=stop", registers=True),
        Stage("gateway.noted=kill", recover="gateway.sent=kill", registers=True),
    ),
    # a refusal is reported only once its object is cancelled
    "C9a": (
        Stage("gateway.cancelling=kill", (REFUSES,), ends="declined", registers=True),
        Stage("gateway.cancelled=kill", (REFUSES,), ends="declined", registers=True),
        Stage("gateway.cancelling=kill", (REFUSES,), recover="gateway.cancelled=kill", ends="declined", registers=True),
    ),
}
"""Points that only an operation comes by which the bank registers: through Stripe's adapter."""

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
"""The failpoints at which a first retry dies, three times in ten."""

ELSEWHERE: Mapping[str, str] = dict.fromkeys(("relay.claimed", "relay.sent"), "tests/crash/test_relay_deaths.py")
"""Failpoints that no charge or refund passes, and the tests that arm them."""


def points_of(adapter: Adapter) -> dict[str, tuple[Stage, ...]]:
    """Return the points that a service with this adapter comes by.

    An object of Stripe's that is not found is no denial: a row is lost, and a person must look. Stripe names the amount
    of an object that it has made, so a bank that moves another one is seen by its reply to the confirmation alone.
    """
    if adapter != "stripe":
        return {**POINTS, **(REGISTERING if adapter == "remote-registering" else {})}
    unfit = {DENIES.name, "wrong_amount"}
    fit = {
        name: tuple(
            replace(stage, spends=FAILS in stage.faults)
            for stage in ways
            if not unfit & {fault.name for fault in stage.faults}
        )
        for name, ways in POINTS.items()
    }
    return {**fit, **REGISTERING, **LATER}


def stages(point: str, database: Database, adapter: Adapter = "remote") -> tuple[Stage, ...]:
    """Return the ways to bring a point about on a database."""
    return tuple(stage for stage in points_of(adapter)[point] if stage.only in {None, database})


def failpoints_used() -> set[str]:
    """Return the names of all failpoints that some trial passes armed."""
    ways = [stage for points in (POINTS, REGISTERING, LATER) for ways in points.values() for stage in ways]
    armed = [text for stage in ways for text in (stage.arm, stage.recover, stage.hook, stage.reconcile) if text]
    return {text.split("=")[0] for text in (*armed, *RETRY_KILLS)}
