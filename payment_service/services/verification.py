"""Recomputing the invariants of money from the tables and the gateway, without trust in the service's own results.

The names are those of the reliability programme: S1 one charge, S2 no orphan money, S3 no phantom success, S4 same
money, S5 conservation, S9 state machine, S14 audit equals state, S15 told false, S21 what became known later, L3
recovery finds what is open, R1 reservations, K1 keys, T1 tallies. J1 to J6, the journal's chain, come first.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterator
from decimal import Decimal

from payment_service.domain.errors import GatewayUnavailable
from payment_service.domain.lifecycle import LIFECYCLE, Move, Status, allows
from payment_service.domain.operations import Kind, OperationStatus, Purpose
from payment_service.domain.records import Operation
from payment_service.gateways.base import Approved, Declined, Gateway, NotSent, Unknown
from payment_service.gateways.listed import Entry
from payment_service.repositories import audit, recovery, tallies
from payment_service.repositories.audit import Trail
from payment_service.services.chain_verification import verify_rows
from payment_service.services.dependencies import Dependencies
from payment_service.services.gateway_calls import gateway_request_for
from payment_service.services.later_verification import Violation, has_expired, known_later
from payment_service.services.persistence import GIVES_PAYABLE_BACK
from payment_service.services.seals import detached_before, verify_seals

ZERO = Decimal(0)
UNASKED = "{0.kind} of {0.amount} {0.currency} that no operation asked for; after a restore, run after-restore"
UNDONE = (OperationStatus.FAILED, OperationStatus.REVERSED)


def verify(
    deps: Dependencies, seen: Callable[[], None] = lambda: None, kept_seal: str | None = None
) -> Iterator[Violation]:
    """Yield every violation: of the journal's chain, of money payment by payment, and of the gateway's ledger.

    Calls `seen` after each payment, for a progress bar. `kept_seal` is the hash of a seal that must still exist. Raises
    DatabaseUnavailable, GatewayUnavailable.
    """
    is_whole = True
    for violation in chain_of(deps, kept_seal):
        is_whole = False
        yield violation
    try:
        yield from money_of(deps, seen)
    except (LookupError, TypeError, ValueError) as error:  # a row holds a value that no release writes
        if is_whole:
            raise
        yield Violation("J2", "payments", f"a row that was changed cannot be read: {error}")


def chain_of(deps: Dependencies, kept_seal: str | None = None) -> Iterator[Violation]:
    """Verify the hashes of rows and the seals."""
    yield from verify_rows(deps, detached_before(deps))
    yield from verify_seals(deps, kept_seal)


def money_of(deps: Dependencies, seen: Callable[[], None] = lambda: None) -> Iterator[Violation]:
    """Verify the invariants of money, recomputed from the rows and the gateway."""
    listed: defaultdict[str, list[Entry]] = defaultdict(list)
    ledgers: dict[str, dict[str, Entry]] = {}
    for name, gateway in deps.gateways:
        if gateway.capabilities.lists:
            ledgers[name] = {}
            for entry in gateway.ledger(None, None):
                if entry.gateway_key is not None and isinstance(entry.kind, Kind):
                    listed[entry.gateway_key].append(entry)
                    ledgers[name][entry.gateway_key] = entry
    known: set[str] = set()
    is_cut = detached_before(deps) is not None
    for trail in audit.trails(deps.database):
        known.update(operation.gateway_key for operation in trail.operations)
        yield from _agreeing(deps, trail, is_cut=is_cut)
        gateway_of_payment = deps.gateways.named(trail.payment.gateway)
        if gateway_of_payment is not None and gateway_of_payment.capabilities.remembers:
            yield from _matched(gateway_of_payment, trail, ledgers.get(deps.gateways.resolved(trail.payment.gateway)))
        seen()
    yield from _counted(deps, is_cut=is_cut)
    for key, entries in listed.items():
        if len(entries) > 1:
            yield Violation("S1", f"gateway key {key}", f"{len(entries)} effects at the gateway")
        if key not in known:
            yield Violation("S2", f"gateway key {key}", UNASKED.format(entries[0]))


def _agreeing(deps: Dependencies, trail: Trail, *, is_cut: bool) -> Iterator[Violation]:
    """Compare the rows of one payment with each other; `is_cut`: months of the journal were taken out."""
    yield from _conserved(trail)
    yield from _earned(trail)
    yield from _endable(trail, _stranded(deps, trail))
    yield from _reversed(trail)
    if not is_cut or len(trail.audit) == trail.payment.version:
        yield from known_later(trail)
    yield from _reserved(trail)
    yield from _bound(trail)
    yield from _audited(trail, is_cut=is_cut)


def _stranded(deps: Dependencies, trail: Trail) -> frozenset[int]:
    unfinished = [key.key_id for key in trail.keys if key.response_status is None]
    if not unfinished:
        return frozenset()
    with deps.database.reading() as connection:
        return recovery.stranded(connection, unfinished)


def _conserved(trail: Trail) -> Iterator[Violation]:
    """S5: finished and pending refunds never exceed the captured amount, and the columns are the sums of the rows."""
    payment, row = trail.payment, f"payment {trail.payment.payment_id}"
    sums: Counter[str] = Counter()
    for refund in trail.refunds:
        sums[refund.status] += refund.amount  # type: ignore[assignment]
    if payment.refunded_amount != (sums["REFUNDED"] or ZERO):
        yield Violation("S5", row, f"refunded {payment.refunded_amount}, its refunds sum to {sums['REFUNDED']}")
    if payment.refund_pending_amount != (sums["PENDING"] or ZERO):
        yield Violation("S5", row, f"reserved {payment.refund_pending_amount}, pending ones sum to {sums['PENDING']}")
    if payment.refundable < 0 or payment.captured_amount > payment.authorized_amount:
        yield Violation("S5", row, "more was refunded than captured, or captured than authorized")
    if payment.captured_amount > payment.amount:
        yield Violation("S5", row, "more was captured than asked for")


def _earned(trail: Trail) -> Iterator[Violation]:
    """S3: operations account for all money on a payment."""
    payment, row = trail.payment, f"payment {trail.payment.payment_id}"
    done: Counter[Kind] = Counter()
    for operation in trail.operations:
        if operation.status is OperationStatus.SUCCEEDED:
            done[operation.kind] += operation.amount  # type: ignore[assignment]
    if payment.captured_amount != done[Kind.CHARGE] + done[Kind.CAPTURE]:
        yield Violation("S3", row, f"captured {payment.captured_amount}, which its operations do not account for")
    if payment.authorized_amount != done[Kind.CHARGE] + done[Kind.AUTHORIZE]:
        yield Violation("S3", row, f"authorized {payment.authorized_amount}, which its operations do not account for")


def _endable(trail: Trail, stranded: Container[int]) -> Iterator[Violation]:
    """L3: recovery finds every open operation."""
    for key in trail.keys:
        is_finished = key.response_status is not None
        if key.operation_status is OperationStatus.PENDING and (is_finished or key.key_id in stranded):
            row = f"operation {key.operation_id} of payment {trail.payment.payment_id}"
            yield Violation("L3", row, "undecided, and no key is left to end it")
    under_way = any(key.operation_status is OperationStatus.PENDING for key in trail.keys)
    if allows(trail.payment.status, Move.CHARGED) and not under_way:
        yield Violation("L3", f"payment {trail.payment.payment_id}", "waits for the gateway, and nothing is under way")


def _reversed(trail: Trail) -> Iterator[Violation]:
    """S15: a charge that its caller saw fail stays so: money approved later is on its way back, or gone."""
    payment, row = trail.payment, f"payment {trail.payment.payment_id}"
    for key in trail.keys:
        if key.purpose is not Purpose.TOLD_FALSE or key.operation_status is not OperationStatus.SUCCEEDED:
            continue
        if any(allows(payment.status, move) for move in (Move.CAPTURE, Move.REFUND)):
            yield Violation("S15", row, f"{payment.status}, and its caller was told that it failed")
        back = [each.operation_status for each in trail.keys if each.purpose is Purpose.REVERSAL]
        if not {OperationStatus.PENDING, OperationStatus.SUCCEEDED} & set(back):
            yield Violation("S15", row, "approved after its caller was told that it failed, and nothing gives it back")


def _reserved(trail: Trail) -> Iterator[Violation]:
    """R1: a payment holds the values that no other may have, and none that it has given back."""
    payment, row = trail.payment, f"payment {trail.payment.payment_id}"
    held = dict(trail.reserved)
    if payment.transaction_id != held.get("transaction"):
        yield Violation("R1", row, f"transaction {payment.transaction_id}, reserved is {held.get('transaction')}")
    if held.get("reference", payment.reference) != payment.reference:
        yield Violation("R1", row, f"reference {payment.reference}, reserved is {held['reference']}")
    if "payable" in held and (payment.status in GIVES_PAYABLE_BACK or held["payable"] != payment.payable_id):
        yield Violation("R1", row, f"holds the payable {held['payable']}, which it does not pay")


def _bound(trail: Trail) -> Iterator[Violation]:
    """K1: the key that made a payment exists and is bound to it."""
    made = trail.key_hash
    if made is not None and made not in {key.key_hash for key in trail.keys if key.is_client_key}:
        yield Violation("K1", f"payment {trail.payment.payment_id}", "the key that made it is not bound to it")


def _counted(deps: Dependencies, *, is_cut: bool) -> Iterator[Violation]:
    """T1: the tallies are the sums of the journal up to the watermark, while no month of it was taken out."""
    if is_cut:
        return
    with deps.database.snapshot() as connection:
        for key, times, amount in tallies.differences(connection):
            what = f"off by {times} changes and {amount} {key.currency}"
            yield Violation("T1", f"tally {key.channel} {key.method} {key.move} {key.status}", what)


def _audited(trail: Trail, *, is_cut: bool) -> Iterator[Violation]:
    """S9 and S14: the audit rows have no gap, follow the lifecycle table, and end at the payment's present state.

    `is_cut`: the first ones may lie in months that were taken out of the database.
    """
    payment, row = trail.payment, f"payment {trail.payment.payment_id}"
    first = payment.version + 1 - len(trail.audit) if is_cut else 1
    if [entry.version for entry in trail.audit] != list(range(first, payment.version + 1)):
        yield Violation("S14", row, "its audit rows are not versions 1 to the present one without a gap")
        return
    if not trail.audit:
        return
    came_from = Status(trail.audit[0].from_status) if first > 1 and trail.audit[0].from_status else None
    for entry in trail.audit:
        if entry.from_status != came_from or LIFECYCLE.get((came_from, Move(entry.move))) != entry.status:
            what = f"{came_from} cannot {entry.move} to {entry.status}"
            yield Violation("S9", f"{row} version {entry.version}", what)
        came_from = Status(entry.status)
    last = trail.audit[-1]
    stands = (payment.status, payment.captured_amount, payment.refunded_amount)
    if (last.status, last.captured_amount, last.refunded_amount) != stands:
        yield Violation("S14", row, "its last audit row is not how it stands")


def _matched(gateway: Gateway, trail: Trail, effects: dict[str, Entry] | None) -> Iterator[Violation]:
    """S3 and S4: operations that succeeded here happened at the gateway with the same money; failed ones did not.

    Operations that are undecided here may have happened, but not with other money. Raises GatewayUnavailable.
    """
    for operation in trail.operations:
        asked_gateway = operation.amount > 0 or operation.kind is Kind.VOID
        pending = operation.status is OperationStatus.PENDING
        if not asked_gateway or (pending and effects is None):
            continue
        row = f"operation {operation.operation_id} of payment {operation.payment_id}"
        happened: Entry | Approved | None = None
        if effects is not None:
            happened = effects.get(operation.gateway_key)
        # An operation that the list lacks may be newer than the list: the gateway itself has the last word.
        if effects is None or (happened is None and operation.status is OperationStatus.SUCCEEDED):
            finding = gateway.lookup(gateway_request_for(trail.payment, operation))
            if isinstance(finding, NotSent | Unknown):
                raise GatewayUnavailable(f"the gateway cannot be asked: {finding.reason}")
            happened = finding if isinstance(finding, Approved) else None
        if operation.status is OperationStatus.SUCCEEDED and happened is None and not has_expired(trail, operation):
            yield Violation("S3", row, "succeeded here, unknown to the gateway")
        elif operation.status in UNDONE and happened is not None and not _is_over(gateway, trail, operation):
            yield Violation("S3", row, f"{operation.status.lower()} here, done at the gateway")
        elif happened is not None and (happened.amount, happened.currency) != (operation.amount, operation.currency):
            yield Violation("S4", row, f"{operation.amount} here, {happened.amount} at the gateway")


def _is_over(gateway: Gateway, trail: Trail, operation: Operation) -> bool:
    """Return whether a hold that failed here existed and expired before we knew of it. Raises GatewayUnavailable."""
    if operation.kind is not Kind.AUTHORIZE:
        return False
    finding = gateway.lookup(gateway_request_for(trail.payment, operation))
    if isinstance(finding, NotSent | Unknown):
        raise GatewayUnavailable(f"the gateway cannot be asked: {finding.reason}")
    return isinstance(finding, Declined)
