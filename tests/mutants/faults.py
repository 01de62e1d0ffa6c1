"""The deliberate faults, and who must notice each: crash trials at a point, or tests of the suite."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from pika.channel import Channel

from payment_service.config import Settings
from payment_service.connection import Connection
from payment_service.domain.keys import fingerprint
from payment_service.repositories import keys, outbox, payments, recovery, retention, tallies
from payment_service.services import first_writes, gateway_calls, notices, persistence, reversals, transitions
from payment_service.services.commands import Request
from payment_service.services.complete import complete
from tests.mutants import delivery_replacements as later
from tests.mutants import gateway_faults
from tests.mutants import replacements as fault
from tests.mutants.mutant import Mutant

MUTANTS: Mapping[str, Mutant] = {
    "another gateway key for every attempt": Mutant({gateway_calls.gateway_request_for: fault.with_new_gateway_key}),
    "another gateway key after a take-over": Mutant(
        {gateway_calls.call_gateway: fault.with_new_gateway_key_after_take_over}
    ),
    "no look-up when taking over": Mutant({gateway_calls.call_gateway: fault.without_look_up}),
    "not found counts as declined": Mutant({gateway_calls.call_gateway: fault.with_not_found_as_declined}),
    "the gateway is asked before the claim is committed": Mutant(
        {
            first_writes.charge_payment: fault.asking_inside_the_claim,
            first_writes.start_operation: fault.asking_inside_the_claim,
        }
    ),
    "a lease ends at once": Mutant({keys.claim: fault.with_lease_of_zero}),
    "a lease may be shorter than the gateway's budget": Mutant(attributes=((Settings, "gateway_budget", 0.0),)),
    "completing does not compare the fence": Mutant({complete: fault.without_fence}),
    "a take-over keeps the fence": Mutant(statements={"take_over_key": ("fence = fence + 1", "fence = fence")}),
    "unknown counts as declined": Mutant({complete: fault.with_unknown_as_declined}),
    "any approved amount is believed": Mutant({complete: fault.with_every_amount_believed}),
    "every try of the finish asks the gateway again": Mutant(
        {complete: fault.remembering_the_claim, keys.lock_claim: fault.asking_again_at_every_try}
    ),
    "nothing checks whether there is time left to send": Mutant({gateway_calls.call_gateway: fault.without_time_limit}),
    "claiming locks no key": Mutant(statements={"lock_key": ("\nFOR UPDATE", "")}),
    "completing locks no key": Mutant(statements={"lock_claim": ("\n    FOR UPDATE", "")}),
    "completing locks no payment": Mutant(statements={"lock_claim": (" FOR NO KEY UPDATE", "")}),
    "a capture locks no payment": Mutant(statements={"lock_payment": ("\nFOR NO KEY UPDATE", "")}),
    "a refund locks no payment": Mutant(statements={"lock_payment_for_refund": ("\n    FOR NO KEY UPDATE", "")}),
    "a refund reserves nothing": Mutant({transitions.operation_started: fault.reserving_nothing}),
    "an undecided refund gives its reservation back": Mutant(
        {persistence.record_undecided_attempt: fault.giving_an_undecided_refund_back}
    ),
    "an undecided key is released without a timer": Mutant({keys.set_timer: fault.always(None)}),
    "the watermark of recovery passes an unfinished key": Mutant({recovery.next_watermark: later.passing_everything}),
    "the purge deletes unfinished keys": Mutant({retention.purge: later.deleting_unfinished_keys}),
    "the purge deletes bound keys": Mutant({retention.purge: later.deleting_bound_keys}),
    "nothing is reserved": Mutant({payments.reserve: fault.always(None)}),
    "a failed payment keeps its payable": Mutant({payments.give_back: fault.always(None)}),
    "a replay is rendered anew": Mutant(
        {keys.claim: fault.without_kept_response, keys.lock: fault.without_kept_response}
    ),
    "the stored response is spelled anew": Mutant({keys.complete_operation: fault.spelling_responses_anew}),
    "a key stands for any request": Mutant(attributes=((Request, "fingerprint", "route:0"),)),
    "a key belongs to every caller": Mutant(
        attributes=((Request, "scope", fault.in_nobodys_name(vars(Request)["scope"])),)
    ),
    "a key does not follow its caller to a new subject": Mutant(
        attributes=((Request, "scope", fault.in_the_names_of_tokens(vars(Request)["scope"])),)
    ),
    "no approval is too late": Mutant({reversals.is_late: fault.always(False)}),
    "every equal refund is another one": Mutant({payments.has_equal_refund: fault.always(False)}),
    "the fingerprint knows no route": Mutant({fingerprint: fault.without_route}),
    "the journal is folded after one look": Mutant({tallies.is_decided: fault.always(True)}),
    "deliveries are written after the commit": Mutant(
        attributes=((Connection, "write", later.adding_deliveries_later(Connection.write)),)
    ),
    "a delivery is marked before it is sent": Mutant({outbox.claim: later.marking_before_sending}),
    "the relay does not wait for the event before": Mutant({outbox.claim: later.claiming_whatever_is_due}),
    "the relay reads on behind the last it has read": Mutant({outbox.claim: later.reading_on_behind_the_last}),
    "a message that no queue takes counts as delivered": Mutant(
        attributes=((Channel, "basic_publish", later.without_mandatory(Channel.basic_publish)),)
    ),
    "a notice's content is believed": Mutant({notices.store: fault.believing_notices}),
    "a notice wakes a key that somebody works on": Mutant(
        attributes=((sys.modules["payment_service.repositories.key_lookups"], "_UNOWNED", fault.UNFINISHED),)
    ),
    "SQLite begins as its driver does": Mutant(
        attributes=((sys.modules["payment_service.db"], "BEGIN", {"postgresql": "BEGIN", "sqlite": "BEGIN"}),)
    ),
    **gateway_faults.MUTANTS,
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
    "completing does not compare the fence": Trials("C15", frozenset({3}), "S8 "),
    "a take-over keeps the fence": Trials("C15", frozenset({3}), "S8 "),
    "unknown counts as declined": Trials("C7", frozenset({0, 1}), "S10"),
    "not found counts as declined": Trials("C4", frozenset({0}), "S10"),
    "any approved amount is believed": Trials("C8", frozenset({4}), "S4"),
    "a replay is rendered anew": Trials("C13", frozenset({0}), "S6 "),
    "the stored response is spelled anew": Trials("C13", frozenset({0}), "S6 "),
    "deliveries are written after the commit": Trials("C13", frozenset({0}), "S11"),
    "a key stands for any request": Trials("C10", frozenset({0}), "S7 "),
    "nothing is reserved": Trials("C13", frozenset({0}), "R1 "),
}
"""Mutants that trials on SQLite must catch, a handful of them, in every run of the suite."""

IN_DOUBT = "no look-up when taking over"
"""The one that only trials before a bank without memory can catch."""

IN_TIME = "tests/integration/test_leases_in_time.py"
LOCKS = "tests/integration/test_locks_and_pools.py"
PAYMENT_LOCKS = "tests/integration/test_payment_locks.py"
KEYS_FOR_EVER = "tests/integration/test_keys_for_ever.py"
NOTICES = "tests/integration/notices/test_gateway_notices.py"
RECOVERY = "tests/integration/test_recovery.py"
TRIP_REFUNDS = "tests/api/test_trip_refunds.py"

BY_TESTS: Mapping[str, tuple[str, ...]] = {
    "a lease ends at once": ("tests/api/test_idempotency_over_http.py",),
    "a lease may be shorter than the gateway's budget": (
        "tests/unit/test_config.py::test_outer_time_out_must_exceed_the_inner_one",
    ),
    "every try of the finish asks the gateway again": ("tests/integration/test_lost_commits.py",),
    "claiming locks no key": (IN_TIME,),
    "nothing checks whether there is time left to send": (IN_TIME,),
    "completing locks no key": (LOCKS,),
    "completing locks no payment": (LOCKS,),
    "an undecided key is released without a timer": (
        f"{RECOVERY}::test_undecided_operation_answers_202_and_stays_open",
    ),
    "the watermark of recovery passes an unfinished key": ("tests/integration/test_watermarks.py",),
    "the purge deletes unfinished keys": (KEYS_FOR_EVER,),
    "the purge deletes bound keys": (KEYS_FOR_EVER,),
    "a failed payment keeps its payable": ("tests/api/test_written_rows.py",),
    "a capture locks no payment": (PAYMENT_LOCKS,),
    "a refund locks no payment": (PAYMENT_LOCKS,),
    "a refund reserves nothing": (TRIP_REFUNDS,),
    "an undecided refund gives its reservation back": (TRIP_REFUNDS,),
    "a key belongs to every caller": (f"{KEYS_FOR_EVER}::test_same_key_of_two_subjects_charges_twice",),
    "a key does not follow its caller to a new subject": ("tests/findings/test_k2_key_scope_aliases.py",),
    "no approval is too late": ("tests/findings/test_c1_reversals.py",),
    "every equal refund is another one": ("tests/findings/test_c15_duplicate_refunds.py",),
    "the fingerprint knows no route": ("tests/unit/test_fingerprints.py",),
    "the journal is folded after one look": ("tests/integration/test_two_looks.py",),
    "a delivery is marked before it is sent": ("tests/integration/test_relay_crashes.py",),
    "the relay does not wait for the event before": ("tests/integration/test_relay.py",),
    "the relay reads on behind the last it has read": ("tests/integration/test_late_commits_of_events.py",),
    "a message that no queue takes counts as delivered": ("tests/integration/test_rabbit_sink.py",),
    "a notice's content is believed": (f"{NOTICES}::test_notice_of_a_success_is_not_believed_against_the_gateway",),
    "a notice wakes a key that somebody works on": (f"{NOTICES}::test_notice_during_a_look_up_is_not_lost",),
    "SQLite begins as its driver does": ("tests/integration/test_increments_on_sqlite.py",),
    **gateway_faults.BY_TESTS,
}
"""Mutants that tests of the suite must catch; `make mutants` proves it."""
