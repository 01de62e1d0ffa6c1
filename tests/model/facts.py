"""The terms of the model: payments, requests, and the required answers. Amounts are cents."""

from dataclasses import dataclass
from typing import Any

ALLOWED = {
    "process": {"PENDING"},
    "capture": {"AUTHORIZED"},
    "void": {"AUTHORIZED"},
    "refund": {"CAPTURED", "PARTIALLY_REFUNDED"},
    "cancel": {"PENDING", "CANCELLED", "FAILED"},
    "fail": {"PENDING"},
}
"""The commands that each status of a payment allows."""
WITHOUT_MONEY = {"create": "PENDING", "cancel": "CANCELLED", "fail": "FAILED"}
LANDS = {"charge": "CAPTURED", "process": "CAPTURED", "capture": "CAPTURED", "hold": "AUTHORIZED", "void": "CANCELLED"}
ITS_OWN_KEY = {("orders", "process"), ("bookings", "process"), ("bookings", "refund")}
"""The commands that can happen once, and so are recognised without a client's key."""
NEVER_ASKS_AGAIN = {("checkout", "charge"), ("checkout", "hold")}
"""The commands that a caller without a key takes for failed while undecided: a late approval is reversed."""
STATUS = {"trips": 200, "bills": 201, "orders": 200, "bookings": 200, "checkout": 200}
OTHER_STATUS = {("orders", "charge"): 201, ("orders", "create"): 201, ("bookings", "create"): 201}
DECLINES = {"bills": 402, "bookings": 402}


OVERTAKEN, IN_VAIN = "overtaken at ", "overtaken in vain at "
"""Before a failpoint's name: the owner sleeps there until its lease is over and the sweeper has run, then continues.

In vain: the sweeper gets no answer of the bank.
"""


class Died(BaseException):
    """The process is gone, at a failpoint, without an answer."""


@dataclass(frozen=True)
class Plan:
    """The bank's reaction to a request: its `word` on an operation, and the way its `reply` takes.

    `tells`; `loses` the answer; `misses` the request; `pends`, undecided; `hesitates`, undecided until it is asked once
    more; `refuses` the connection; `lies` about the amount it approved.
    """

    word: str = "approved"
    reply: str = "tells"


DEAF = Plan(reply="misses")


@dataclass(eq=False)
class Payment:
    """A payment as it must stand."""

    channel: str
    subject: str
    payable: int
    amount: int
    status: str
    version: int = 1
    authorized: int = 0
    captured: int = 0
    refunded: int = 0
    reserved: int = 0
    declined_refunds: int = 0

    def becomes(self, status: str) -> None:
        self.status, self.version = status, self.version + 1


@dataclass(frozen=True)
class Asked:
    """A request: `payment` for what happens to one, `payable` for a new one; an `amount` of None is all there is."""

    channel: str
    subject: str
    action: str
    key: str | None
    payment: Payment | None = None
    payable: int = 0
    amount: int | None = None

    @property
    def meant(self) -> tuple[Any, ...]:
        """Return the parts that two requests under one key must have in common."""
        return self.action, self.payment, self.payable, self.amount


@dataclass(eq=False)
class Use:
    """The use of a key; `truth` is the bank's outcome, `timer` after how many tries the key was released.

    `purpose` is `"told false"` for a caller that never asks again, `"reversal"` for the return of its money. `recent`:
    an equal refund without a key is taken for the same one. `undone`: a refund that failed after it was reported.
    """

    asked: Asked
    payment: Payment | None = None
    amount: int = 0
    leased: bool = True
    fence: int = 1
    timer: int = 0
    said: tuple[int, str] | None = None
    body: bytes | None = None
    expired: bool = False
    truth: str | None = None
    purpose: str = ""
    recent: bool = True
    undone: bool = False


@dataclass(frozen=True)
class Said:
    """The required answer to a request: `use` is its key's use, `replayed` is true from the second time on."""

    status: int
    code: str = ""
    replayed: bool = False
    use: Use | None = None
