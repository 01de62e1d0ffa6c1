"""The deliberate faults, and who must notice each: crash trials at a point, or tests of the suite."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.mutants.mutant import Mutant

ASKING = "payment_service.services.asking"
CHANGES = "payment_service.services.changes"
CLAIMING = "payment_service.services.claiming"
IDEMPOTENCY = "payment_service.services.idempotency"
KEYS = "payment_service.repositories.idempotency"
MOVEMENTS = "payment_service.services.movements"
RECORDING = "payment_service.services.recording"
RELAY = "payment_service.delivery.relay"

MUTANTS: Mapping[str, Mutant] = {
    "another gateway key for every attempt": Mutant(
        ASKING, "instruction_for", "gateway_key=operation.gateway_key", "gateway_key='v1-' + clock.new_hex(48)"
    ),
    "another gateway key after a take-over": Mutant(
        ASKING,
        "_found",
        "instruction = instruction_for(claim.facts)",
        "instruction = instruction_for(claim.facts)\n"
        "    if claim.taken_over: instruction = __import__('dataclasses').replace("
        "instruction, gateway_key='v1-' + clock.new_hex(48))",
    ),
    "no look-up when taking over": Mutant(ASKING, "_found", "if claim.taken_over is not None:", "if False:"),
    "not found counts as declined": Mutant(
        ASKING,
        "_found",
        "if not isinstance(finding, NotFound):",
        "finding = Declined('X', 'x') if isinstance(finding, NotFound) else finding\n        if True:",
    ),
    "the gateway is asked before the claim is committed": Mutant(
        CLAIMING,
        "Claiming._once",
        "return self._write(connection, intent, movement, since, attempt)",
        "outcome = self._write(connection, intent, movement, since, attempt)\n"
        "            if isinstance(outcome, Claim): __import__('payment_service.services.asking', "
        "fromlist=['ask']).ask(self.runtime, outcome)\n"
        "            return outcome",
    ),
    "a lease ends at once": Mutant(
        CLAIMING, "Claiming._once", "self.runtime.limits.lease", "self.runtime.limits.lease * 0"
    ),
    "a lease may be shorter than the gateway's budget": Mutant(
        "payment_service.config", "_time_limits", "if not shorter < longer:", "if False:"
    ),
    "the fence is not compared": Mutant(MOVEMENTS, "_finish", "if key.fence != claim.fence:", "if False:"),
    "unknown counts as declined": Mutant(
        MOVEMENTS,
        "_finish",
        "doubt = _doubt(facts, finding)",
        "finding = Declined('X', 'x') if isinstance(finding, Unknown) else finding; doubt = None",
    ),
    "whatever amount was approved is believed": Mutant(
        MOVEMENTS, "_doubt", "if not isinstance(finding, Approved):", "if True:"
    ),
    "every try of the finish asks the gateway again": Mutant(
        MOVEMENTS,
        "_finish",
        "doubt = _doubt(facts, finding)",
        "finding = asking.ask(runtime, claim); doubt = _doubt(facts, finding)",
    ),
    "claiming locks no row": Mutant(KEYS, "_LOCK_BY_SCOPE", ".with_for_update()", ""),
    "nobody looks whether there is time left to send": Mutant(
        ASKING, "_found", "if clock.monotonic() > claim.send_before:", "if False:"
    ),
    "finishing locks no row": Mutant(KEYS, "_LOCK_OWNED", ".with_for_update(of=[keys, payments])", ""),
    "the purge takes unfinished keys": Mutant(
        KEYS,
        "_HAS_ENDED",
        "keys.c.response_status.is_not(null()), keys.c.expires_at < bindparam('moment', type_=keys.c.expires_at.type), "
        "keys.c.expires_at < database_now()",
        "keys.c.created_at < bindparam('moment', type_=keys.c.expires_at.type),",
    ),
    "a refund locks no payment": Mutant(
        "payment_service.repositories.payments", "_LOCK", ".with_for_update(key_share=True)", ""
    ),
    "a refund reserves nothing": Mutant(
        CHANGES, "started", "payment.refund_pending_amount + refund.amount", "payment.refund_pending_amount"
    ),
    "an undecided refund gives its reservation back": Mutant(
        RECORDING,
        "count_failed_attempt",
        "mark=_mark(payment, FAILED_ATTEMPT, payment.status, amount))",
        "mark=_mark(payment, FAILED_ATTEMPT, payment.status, amount))\n"
        "    if facts.refund: write(connection, move_payment=payment_values(__import__('dataclasses').replace("
        "payment, refund_pending_amount=payment.refund_pending_amount - facts.refund.amount)))",
    ),
    "a replay is worded anew": Mutant(
        IDEMPOTENCY,
        "_repeated",
        "if finished.expired and finished.payment_id is not None:",
        "if finished.payment_id is not None:",
    ),
    "a key stands for whatever is asked under it": Mutant(
        "payment_service.services.requests", "Request.fingerprint", "fingerprint(self.route, self.fields)", "'route:0'"
    ),
    "a key belongs to everybody": Mutant(IDEMPOTENCY, "identify", "request.caller.subject", "''"),
    "the fingerprint knows no route": Mutant(
        "payment_service.domain.fingerprints", "fingerprint", "{ROUTE: _digest(route)}", "{}"
    ),
    "the stored answer is spelled anew": Mutant(
        RECORDING,
        "stored_answer",
        "'response_data': answer.body",
        "'response_data': json.dumps(json.loads(answer.body), sort_keys=True)",
    ),
    "events are written after the commit": Mutant(
        RECORDING,
        "record",
        "publish=published, **_delivery_rows(runtime, change, event, published), **more)",
        "**more)\n"
        "    def late():\n"
        "        clock.sleep(0.1)\n"
        "        with runtime.database.atomic('late') as other:\n"
        "            write(other, publish=published, **_delivery_rows(runtime, change, event, published))\n"
        "    __import__('threading').Thread(target=late).start()",
    ),
    "a delivery is marked before it is sent": Mutant(
        RELAY,
        "Relay.run_once",
        "self._offer(claimed)",
        "self._mark([outbox.Settlement(each.delivery_id, self._owners[each.delivery_id], 'DELIVERED') "
        "for each in claimed]); self._offer(claimed)",
    ),
    "the relay takes whatever is due": Mutant(
        "payment_service.repositories.outbox", "_HEADS", "~exists()", "True or ~exists()"
    ),
    "the relay reads on behind the last it has read": Mutant(
        RELAY,
        "Relay._claim_as",
        "return outbox.claim(connection, self.sink.name, owner, self._lease, limit)",
        "claimed = outbox.claim(connection, self.sink.name, owner, self._lease, limit)\n"
        "        cursor = vars(self).get('cursor', 0)\n"
        "        self.cursor = max([cursor, *(each.delivery_id for each in claimed)])\n"
        "        return [each for each in claimed if each.delivery_id > cursor]",
    ),
    "a message for nobody counts as delivered": Mutant(
        "payment_service.delivery.amqp", "Publisher", "mandatory=True", "mandatory=False"
    ),
    "SQLite begins as its driver does": Mutant(
        "payment_service.db", "_begin_sqlite", "'BEGIN' if reading else 'BEGIN IMMEDIATE'", "'BEGIN'"
    ),
}


@dataclass(frozen=True)
class Trials:
    """Crash trials at `point`, of those `ways` to bring it about, that must name `invariant`."""

    point: str
    ways: frozenset[int]
    invariant: str


BY_TRIALS: Mapping[str, Trials] = {
    "another gateway key for every attempt": Trials("C6", frozenset({0}), "S1 "),
    "another gateway key after a take-over": Trials("C6", frozenset({0}), "S1 "),
    "the gateway is asked before the claim is committed": Trials("C2", frozenset({0}), "S2"),
    "the fence is not compared": Trials("C15", frozenset({3}), "S8 "),
    "unknown counts as declined": Trials("C7", frozenset({0, 1}), "S10"),
    "not found counts as declined": Trials("C4", frozenset({0}), "S10"),
    "whatever amount was approved is believed": Trials("C8", frozenset({4}), "S4"),
    "a replay is worded anew": Trials("C13", frozenset({0}), "S6 "),
    "the stored answer is spelled anew": Trials("C13", frozenset({0}), "S6 "),
    "events are written after the commit": Trials("C13", frozenset({0}), "S11"),
    "a key stands for whatever is asked under it": Trials("C10", frozenset({0}), "S7 "),
}
"""Mutants that trials on SQLite must catch, a handful of them, in every run of the suite."""

IN_DOUBT = "no look-up when taking over"
"""The one that only trials before a bank without memory can catch."""

IN_TIME = "tests/integration/test_leases_in_time.py"
CONCURRENCY = "tests/integration/test_concurrency.py"
FIFTY_REFUNDS = f"{CONCURRENCY}::test_fifty_refunds_at_once_never_give_back_more_than_was_paid[postgresql]"

BY_TESTS: Mapping[str, tuple[str, ...]] = {
    "a lease ends at once": (
        "tests/api/test_idempotency_over_http.py::test_a_repeat_that_has_waited_long_enough_is_409",
    ),
    "a lease may be shorter than the gateway's budget": ("tests/unit/test_config.py",),
    "every try of the finish asks the gateway again": ("tests/integration/test_lost_commits.py",),
    "claiming locks no row": (f"{IN_TIME}::test_one_of_many_repeats_takes_an_abandoned_key_over[postgresql]",),
    "nobody looks whether there is time left to send": (IN_TIME,),
    "finishing locks no row": (
        "tests/integration/test_locks_and_pools.py::test_what_is_being_finished_is_locked[postgresql]",
    ),
    "the purge takes unfinished keys": (
        "tests/integration/test_keys_for_ever.py::test_what_is_not_decided_is_never_forgotten",
    ),
    "a refund locks no payment": (FIFTY_REFUNDS,),
    "a refund reserves nothing": ("tests/api/test_trip_refunds.py",),
    "an undecided refund gives its reservation back": (
        "tests/api/test_trip_refunds.py::test_an_undecided_refund_is_accepted_and_holds_its_amount",
    ),
    "a key belongs to everybody": ("tests/integration/test_keys_for_ever.py",),
    "the fingerprint knows no route": ("tests/unit/test_fingerprints.py",),
    "a delivery is marked before it is sent": ("tests/integration/test_relay_crashes.py",),
    "the relay takes whatever is due": ("tests/integration/test_relay.py",),
    "the relay reads on behind the last it has read": ("tests/integration/test_late_commits_of_events.py",),
    "a message for nobody counts as delivered": ("tests/integration/test_rabbit_sink.py",),
    "SQLite begins as its driver does": ("tests/integration/test_increments_on_sqlite.py",),
}
"""Mutants that tests of the suite must catch; `make mutants` proves it."""
