from itertools import product

import pytest

from payment_service.domain.lifecycle import EVENT_TYPES, LIFECYCLE, IllegalMove, Move, Status, after, allows

# Written by hand from the callers' documents: status, operation, next status. The lifecycle refuses all other
# combinations. "new" is a payment that does not exist yet.
LEGAL = """
new                 create              PENDING
new                 charge              PROCESSING
new                 authorize           PROCESSING
PENDING             charge              PROCESSING
PENDING             authorize           PROCESSING
PENDING             cancel              CANCELLED
PENDING             fail                FAILED
PROCESSING          action_required     REQUIRES_ACTION
PROCESSING          charged             CAPTURED
PROCESSING          charge_declined     FAILED
PROCESSING          charge_cancelled    CANCELLED
PROCESSING          authorized          AUTHORIZED
PROCESSING          authorize_declined  FAILED
PROCESSING          captured            CAPTURED
PROCESSING          capture_declined    AUTHORIZED
PROCESSING          voided              CANCELLED
PROCESSING          void_declined       AUTHORIZED
PROCESSING          charged_late        PROCESSING
PROCESSING          authorized_late     PROCESSING
PROCESSING          reversal_declined   PROCESSING
PROCESSING          reversed            FAILED
PROCESSING          hold_reversed       FAILED
REQUIRES_ACTION     charged             CAPTURED
REQUIRES_ACTION     charge_declined     FAILED
REQUIRES_ACTION     charge_cancelled    CANCELLED
REQUIRES_ACTION     authorized          AUTHORIZED
REQUIRES_ACTION     authorize_declined  FAILED
REQUIRES_ACTION     charged_late        PROCESSING
REQUIRES_ACTION     authorized_late     PROCESSING
AUTHORIZED          capture             PROCESSING
AUTHORIZED          void                PROCESSING
CAPTURED            refund              CAPTURED
CAPTURED            partly_refunded     PARTIALLY_REFUNDED
CAPTURED            fully_refunded      REFUNDED
CAPTURED            refund_declined     CAPTURED
PARTIALLY_REFUNDED  refund              PARTIALLY_REFUNDED
PARTIALLY_REFUNDED  partly_refunded     PARTIALLY_REFUNDED
PARTIALLY_REFUNDED  fully_refunded      REFUNDED
PARTIALLY_REFUNDED  refund_declined     PARTIALLY_REFUNDED
FAILED              cancel              CANCELLED
CANCELLED           cancel              CANCELLED
FAILED              charged_late        FAILED
FAILED              authorized_late     FAILED
FAILED              reversed            FAILED
FAILED              hold_reversed       FAILED
FAILED              reversal_declined   FAILED
FAILED              reversal_failed     FAILED
CANCELLED           charged_late        CANCELLED
CANCELLED           authorized_late     CANCELLED
CANCELLED           reversed            CANCELLED
CANCELLED           hold_reversed       CANCELLED
CANCELLED           reversal_declined   CANCELLED
CANCELLED           reversal_failed     CANCELLED
AUTHORIZED          hold_expired        CANCELLED
PARTIALLY_REFUNDED  refund_reversed       PARTIALLY_REFUNDED
PARTIALLY_REFUNDED  refunds_all_reversed  CAPTURED
REFUNDED            refund_reversed       PARTIALLY_REFUNDED
REFUNDED            refunds_all_reversed  CAPTURED
"""
KNOWN_LATER = [
    f"{status} {move} {status}"
    for status in Status
    if status is not Status.PENDING
    for move in ("disputed", "dispute_won", "dispute_lost")
]
"""The engine saves a dispute in any status of its payment, and changes no status."""

LINES = [*LEGAL.strip().splitlines(), *KNOWN_LATER]
EXPECTED = {(status, move): end for status, move, end in (line.split() for line in LINES)}
STATUSES: tuple[Status | None, ...] = (None, *Status)
MONEY_TAKEN = (Status.CAPTURED, Status.PARTIALLY_REFUNDED, Status.REFUNDED)


@pytest.mark.parametrize(("status", "move"), list(product(STATUSES, Move)), ids=lambda each: str(each or "new"))
def test_move_is_legal_or_refused_as_the_table_says(status: Status | None, move: Move) -> None:
    expected = EXPECTED.get((str(status or "new"), str(move)))
    if expected is not None:
        assert after(status, move) == expected
        return
    with pytest.raises(IllegalMove):
        after(status, move)


def test_table_names_only_existing_statuses_and_moves() -> None:
    assert {status for status, _ in EXPECTED} <= {"new", *map(str, Status)}
    assert {move for _, move in EXPECTED} == set(map(str, Move))
    assert len(EXPECTED) == len(LIFECYCLE) == len(LINES)


def test_allows_follows_the_same_table() -> None:
    legal = {(str(status), str(move)) for status, move in product(Status, Move) if allows(status, move)}
    assert legal == {(status, move) for status, move in EXPECTED if status != "new"}


def test_payment_with_captured_money_keeps_such_a_status() -> None:
    ends = {after(status, move) for status, move in product(MONEY_TAKEN, Move) if allows(status, move)}
    assert ends <= set(MONEY_TAKEN)


@pytest.mark.parametrize("status", [Status.REFUNDED, Status.FAILED, Status.CANCELLED])
def test_final_status_allows_no_operation_of_a_caller(status: Status) -> None:
    operations = (Move.CHARGE, Move.AUTHORIZE, Move.CAPTURE, Move.VOID, Move.REFUND, Move.FAIL)
    assert [move for move in operations if allows(status, move)] == []


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED])
def test_failed_or_cancelled_payment_is_never_paid_later(status: Status) -> None:
    ends = {after(status, move) for move in Move if allows(status, move)}
    assert ends <= {Status.FAILED, Status.CANCELLED}


def test_every_status_is_reachable_from_new() -> None:
    reached: set[Status | None] = {None}
    for _ in Status:
        reached |= {end for (start, _), end in LIFECYCLE.items() if start in reached}
    assert reached == set(STATUSES)


def test_illegal_move_names_the_move_and_the_status() -> None:
    with pytest.raises(IllegalMove, match="A payment in status FAILED cannot refund") as refused:
        after(Status.FAILED, Move.REFUND)
    assert (refused.value.payment_status, refused.value.move) == (Status.FAILED, Move.REFUND)
    assert (refused.value.status, refused.value.code) == (400, "illegal_move")


def test_every_move_has_an_event_type() -> None:
    assert set(EVENT_TYPES) == set(Move)
