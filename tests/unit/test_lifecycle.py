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


@pytest.mark.parametrize("status", STATUSES, ids=lambda status: str(status or "new"))
def test_every_move_in_every_status_is_legal_or_refused_as_written_down(status: Status | None) -> None:
    for move in Move:
        expected = EXPECTED.get((str(status or "new"), str(move)))
        if expected is not None:
            assert after(status, move) == expected, (status, move)
            continue
        with pytest.raises(IllegalMove):
            after(status, move)


def test_the_table_names_nothing_that_is_not_there() -> None:
    assert {status for status, _ in EXPECTED} <= {"new", *map(str, Status)}
    assert {move for _, move in EXPECTED} == set(map(str, Move))
    assert len(EXPECTED) == len(LIFECYCLE) == len(LINES)


def test_asking_whether_a_move_is_legal_is_asking_the_same_table() -> None:
    for status, move in product(Status, Move):
        assert allows(status, move) == ((str(status), str(move)) in EXPECTED)


def test_money_that_was_taken_is_never_forgotten() -> None:
    for status, move in product(MONEY_TAKEN, Move):
        if allows(status, move):
            assert after(status, move) in MONEY_TAKEN


def test_what_is_over_stays_over_for_callers() -> None:
    asked_for = (Move.CHARGE, Move.AUTHORIZE, Move.CAPTURE, Move.VOID, Move.REFUND, Move.FAIL)
    for status in (Status.REFUNDED, Status.FAILED, Status.CANCELLED):
        assert not any(allows(status, move) for move in asked_for)


def test_what_was_told_as_failed_is_never_paid() -> None:
    for status in (Status.FAILED, Status.CANCELLED):
        ends = {after(status, move) for move in Move if allows(status, move)}
        assert ends <= {Status.FAILED, Status.CANCELLED}


def test_every_status_can_be_reached_from_nothing() -> None:
    reached: set[Status | None] = {None}
    for _ in Status:
        reached |= {end for (start, _), end in LIFECYCLE.items() if start in reached}
    assert reached == set(STATUSES)


def test_a_refusal_says_what_was_asked_in_which_status() -> None:
    with pytest.raises(IllegalMove, match="A payment in status FAILED cannot refund") as refused:
        after(Status.FAILED, Move.REFUND)
    assert (refused.value.payment_status, refused.value.move) == (Status.FAILED, Move.REFUND)
    assert (refused.value.status, refused.value.code) == (400, "illegal_move")


def test_every_move_has_an_event() -> None:
    assert set(EVENT_TYPES) == set(Move)
