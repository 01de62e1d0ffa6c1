"""Injected faults: the simulator's errors on demand, with the requests that they match and how often."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from decimal import Decimal, InvalidOperation
from threading import Lock
from typing import Any, Literal, get_args

from payment_service.domain.operations import Kind

Name = Literal[
    "decline",  # decline: `code`, `message`
    "pending",  # "pending" for `lookups` look-ups, then approved (or declined with `code`, `message`)
    "wrong_amount",  # move and report `amount` (default: one more than requested) of `currency` (or as requested)
    "slow",  # wait `ms`, then execute and reply: the effect may come after the client has given up
    "sleep_then_answer",  # execute, wait `ms`, then reply
    "drip",  # execute, then reply with one byte every `ms`
    "drop_before_effect",  # close the connection, execute nothing
    "drop_after_effect",  # execute, close the connection
    "error_before_effect",  # reply `status`, execute nothing
    "error_after_effect",  # execute, reply `status`
    "garbage",  # execute, reply 200 with a page of HTML
    "empty",  # execute, reply 200 with no body
    "truncated",  # execute, send the first half of the reply
    "duplicate",  # execute, reply twice on the same connection
    "answer",  # execute, reply `status` with the bytes of `body` and `location`, if any, as a redirect's target
    "not_found",  # look-ups only: the key is unknown
    "down",  # close every connection at once, look-ups included, until it is disarmed
]
On = Literal["send", "register", "lookup", "any"]
"""`register`: creating an object that is not confirmed, which moves nothing."""


class FaultError(ValueError):
    """A fault has an invalid description; the message has the reason."""


@dataclass(frozen=True)
class InjectedFault:
    """A fault for requests that `on`, `kind`, `gateway_key` and `asked` match (None: all).

    It strikes `times` times (None: always). `asked` is the amount in the request.
    """

    fault: Name
    on: On = "send"
    kind: Kind | None = None
    gateway_key: str | None = None
    asked: Decimal | None = None
    times: int | None = None
    ms: int = 0
    status: int = 500
    amount: Decimal | None = None
    currency: str | None = None
    lookups: int = 0
    code: str | None = None
    message: str | None = None
    body: str = ""
    location: str | None = None

    def matches(self, on: On, keys: Collection[str], kind: Kind | None, asked: Decimal | None) -> bool:
        """Return True if this fault applies to such a request. A look-up has neither kind nor amount."""
        is_meant = self.kind in {None, kind} and self.asked in {None, asked}
        return is_meant and self.on in {on, "any"} and self.gateway_key in {None, *keys}

    @property
    def specificity(self) -> tuple[bool, bool, bool]:
        """The sort key of faults: one key beats one amount beats one kind beats all."""
        return (self.gateway_key is not None, self.asked is not None, self.kind is not None)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object of this fault."""
        amounts = {"amount": self.amount, "asked": self.asked}
        return asdict(self) | {name: None if each is None else format(each, "f") for name, each in amounts.items()}


class FaultRegistry:
    """The armed faults. The most specific match is used; among equals the one armed first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._armed: list[InjectedFault] = []

    def arm(self, fault: InjectedFault) -> None:
        """Add a fault after those already armed."""
        with self._lock:
            self._armed.append(fault)

    def disarm(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._armed.clear()

    def armed(self) -> list[InjectedFault]:
        """Return the faults that are not used up."""
        with self._lock:
            return list(self._armed)

    def take(
        self, on: On, gateway_key: str, kind: Kind | None = None, asked: Decimal | None = None
    ) -> InjectedFault | None:
        """Return the fault for this request and use up one of its `times`; None if no fault matches."""
        return self.take_any(on, [gateway_key], kind, asked)

    def take_any(
        self, on: On, keys: Collection[str], kind: Kind | None = None, asked: Decimal | None = None
    ) -> InjectedFault | None:
        """Take a fault as `take`, for a request about several gateway keys."""
        with self._lock:
            matching = [fault for fault in self._armed if fault.matches(on, keys, kind, asked)]
            if not matching:
                return None
            chosen = max(matching, key=lambda fault: fault.specificity)
            self._use_up(chosen)
            return chosen

    def _use_up(self, fault: InjectedFault) -> None:
        if fault.times is None:
            return
        # By identity: two equal faults armed one after the other count separately.
        place = next(index for index, armed in enumerate(self._armed) if armed is fault)
        self._armed[place : place + 1] = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []


_TYPES: Mapping[str, type] = {
    "gateway_key": str,
    "times": int,
    "ms": int,
    "status": int,
    "currency": str,
    "lookups": int,
    "code": str,
    "message": str,
    "body": str,
    "location": str,
}


def read_fault(body: Any) -> InjectedFault:
    """Return a fault from its JSON object, `{"fault": name, ...}` with any fields of a fault. Raises FaultError."""
    if not isinstance(body, dict) or not body.keys() <= {field.name for field in fields(InjectedFault)}:
        raise FaultError("a fault is a JSON object with the fields of a fault")
    if body.get("fault") not in get_args(Name) or body.get("on", "send") not in get_args(On):
        raise FaultError(f"fault is one of {', '.join(get_args(Name))}; on is one of {', '.join(get_args(On))}")
    values = {name: value for name, value in body.items() if value is not None}
    for name, type_ in _TYPES.items():
        if name in values and type(values[name]) is not type_:
            raise FaultError(f"{name} is of the wrong type")
    try:
        values |= {"kind": Kind(values["kind"])} if "kind" in values else {}
        values |= {name: Decimal(values[name]) for name in ("amount", "asked") if name in values}
    except (ValueError, TypeError, InvalidOperation) as error:
        raise FaultError("kind or amount is not one") from error
    if values["fault"] == "down":
        values.setdefault("on", "any")
    return InjectedFault(**values)
