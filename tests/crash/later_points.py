"""The points at which something becomes known after the first answer: the bank's news through Stripe's adapter.

`recover` kills the first worker after the news, `hook` the first process that hears of it. A worker that is stopped at
its cancel meets a customer who acts at that moment.
"""

from collections.abc import Mapping

from tests.crash.stages import Fault, News, Stage

UNDER_WAY = Fault("pending", more=(("lookups", 1_000_000),))
"""Undecided until a test makes the bank decide."""


def _settles(arm: str = "", hook: str = "", recover: str = "") -> Stage:
    return Stage(arm, (UNDER_WAY,), news="settles", hook=hook, recover=recover)


def _deaths(places: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{place}=kill" for place in places)


NOTICE = _deaths(("notice.before_commit", "notice.after_commit"))
REVISE = _deaths(("revise.before_commit", "revise.after_commit"))
RECONCILE = _deaths(
    (
        "reconcile.page",
        "notice.before_commit",
        "notice.after_commit",
        "reconcile.before_commit",
        "reconcile.after_commit",
    )
)
CANCELS = _deaths(("gateway.cancelling", "gateway.sent", "gateway.cancelled"))
GIVES_UP = (
    *_deaths(("recover.before_commit", "recover.after_commit")),
    *CANCELS,
    *_deaths(("finish.before_commit", "finish.after_commit")),
)

LATE_NEWS: tuple[News, ...] = ("refund_fails", "hold_ends", "disputed")

LATER: Mapping[str, tuple[Stage, ...]] = {
    # a notice comes, and the owner of its operation is dead, or who takes it or handles it dies
    "C16": (
        _settles("finish.before_commit=kill"),
        *(_settles("gateway.answered=kill", recover=death) for death in NOTICE),
        *(_settles(hook=death) for death in NOTICE),
        *(_settles(recover=death) for death in NOTICE),
        *(
            _settles(recover=death)
            for death in _deaths(("recover.before_commit", "recover.after_commit", "gateway.answered"))
        ),
        *(_settles("finish.after_commit=kill", recover=f"finish.{side}_commit=kill") for side in ("before", "after")),
    ),
    # the customer must act, and who asks, gives up, calls off or cancels dies
    "C17": (
        Stage("gateway.answered=kill", news="pays"),
        Stage("finish.before_commit=kill", news="pays"),
        Stage("finish.after_commit=kill", news="fails", ends="declined"),
        Stage("gateway.noted=kill", news="pays", recover="gateway.answered=kill"),
        *(Stage(news="pays", hook=death) for death in NOTICE),
        *(Stage(news="pays", recover=f"finish.{side}_commit=kill") for side in ("before", "after")),
        *(Stage(news="fails", recover=death, ends="declined") for death in (*CANCELS, "finish.before_commit=kill")),
        *(Stage(news="leaves", recover=death, ends="declined") for death in GIVES_UP),
        Stage(news="leaves", recover="gateway.cancelling=stop"),
        *(
            Stage(news="calls_off", hook=death, ends="cancelled")
            for death in _deaths(("claim.before_commit", "claim.after_commit", "answer.begin"))
        ),
        *(Stage(news="calls_off", recover=death, ends="cancelled") for death in CANCELS),
    ),
    # the bank takes its word back, and who writes that down dies
    "C19": (
        *(Stage(news=news, recover=death) for news in LATE_NEWS for death in (*REVISE, NOTICE[0])),
        *(Stage(news=news, hook=death) for news in LATE_NEWS for death in NOTICE),
        *(Stage(news="hold_ends", loses=True, recover=death) for death in REVISE),
    ),
    # the notice is lost, and the reconciliation that finds the difference dies
    "C23": (
        *(
            Stage(news=news, loses=True, reconcile=death)
            for news in ("refund_fails", "disputed")
            for death in RECONCILE
        ),
        Stage(news="disputed", loses=True, reconcile=RECONCILE[0], recover=REVISE[1]),
    ),
}
