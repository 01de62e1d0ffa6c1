"""Named places in the money path at which a test may kill, stop, delay or break the process.

In production no test can arm one: the settings refuse a non-empty FAILPOINTS there. Unarmed, a failpoint costs one look
into an empty dictionary.
"""

import signal
import threading
from collections.abc import Callable

from payment_service import clock

POINTS = frozenset(
    {
        "claim.begin",  # C1: the request is read and valid, nothing is written
        "claim.before_commit",  # C2
        "claim.after_commit",  # C3, C4: committed, nothing sent
        "gateway.registered",  # C6a: the gateway has an object, and only this process knows its id
        "note.before_commit",  # C6b: that id, or the mark of a cancel, is being written down
        "note.after_commit",  # C6b
        "gateway.noted",  # C6c: the id is known, nothing is confirmed
        "gateway.cancelling",  # C9: refused, marked, no cancel sent
        "gateway.cancelled",  # C9: the cancel's answer is known to this process only
        "gateway.sent",  # C6: the instruction left, its answer was not read
        "gateway.answered",  # C5, C7 to C10: the gateway's answer is known to this process only
        "finish.before_commit",  # C11
        "finish.after_commit",  # C12, C13: committed, not answered
        "answer.begin",  # C13, C14: the response is made and not yet sent
        "notice.before_commit",  # C16: a gateway's notice is being stored, or handled by the worker
        "notice.after_commit",  # C16
        "relay.claimed",  # C20: a batch is ours and nothing of it is sent
        "relay.sent",  # C21, C22: sent, and not noted here
        "recover.before_commit",  # C18: the sweeper dies while taking a key over
        "recover.after_commit",  # C18: the sweeper took keys over and dies
        "revise.before_commit",  # C19: the gateway revised its decision, and nothing is written
        "revise.after_commit",  # C19
        "reconcile.page",  # C23: a page of the gateway's list is compared, the next one is not read
        "reconcile.before_commit",  # C23: everything is compared, the result is not written down
        "reconcile.after_commit",  # C23
    }
)


class FailpointHit(Exception):
    """A failpoint armed with `raise` was reached."""


_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}

_armed: dict[str, Callable[[], None]] = {}


def failpoint(name: str) -> None:
    """Run the armed action of `name`, if there is one."""
    if _armed and (action := _armed.get(name)):
        action()


def arm(specification: str) -> None:
    """Arm failpoints from `claim.after_commit=kill;gateway.sent=sleep:0.5`; an empty text disarms all."""
    actions = parse(specification)
    _armed.clear()
    _armed.update(actions)


def parse(specification: str) -> dict[str, Callable[[], None]]:
    """Return the actions of a specification by their points.

    Actions: `kill` (SIGKILL), `stop` (SIGSTOP), `sleep:<seconds>`, `raise`. Raises ValueError for any other text.
    """
    actions = {}
    for part in filter(None, (piece.strip() for piece in specification.split(";"))):
        name, _, action = part.partition("=")
        if name not in POINTS:
            raise ValueError(f"no failpoint is named {name!r}")
        actions[name] = _action(name, action)
    return actions


def _action(name: str, text: str) -> Callable[[], None]:
    verb, _, argument = text.partition(":")
    if verb in _SIGNALS:
        return lambda: _signal_this_thread(_SIGNALS[verb])
    if verb == "sleep" and (seconds := float(argument)) >= 0:
        return lambda: clock.sleep(seconds)
    if verb == "raise":
        return lambda: _raise(name)
    raise ValueError(f"failpoint {name!r} cannot {text!r}")


def _signal_this_thread(number: signal.Signals) -> None:
    # Sent to the process, SIGSTOP may reach another thread first, and this one would run on for a moment.
    signal.pthread_kill(threading.get_ident(), number)


def _raise(name: str) -> None:
    raise FailpointHit(name)
