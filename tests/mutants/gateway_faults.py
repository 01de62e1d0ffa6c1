"""Deliberate faults against the rules of registered charges (docs/adr/0037-register-first.md), one for each rule."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from payment_service.domain.money import EXPONENTS
from payment_service.gateways import minor
from payment_service.gateways.base import Contradiction, Declined, GatewayRequest, Refused
from payment_service.repositories import keys
from payment_service.services import manual_resolution, registration, reversals, undecided
from payment_service.web import payment_terms
from tests.mutants.mutant import Function, Mutant
from tests.mutants.replacements import always

REGISTERED = "tests/integration/test_registered_charges.py"
REVERSALS = "tests/findings/test_c1_reversals.py"
ACTING = "tests/integration/test_customers_who_must_act.py"


def declining_refusals(original: Function) -> Function:
    """Of `settle`: it reports a refusal although its gateway may revise it."""

    def settle(deps: Any, claim: Any, gateway: Any, gateway_request: Any, result: Any) -> Any:
        if isinstance(result, Refused):
            return Declined(result.code, result.message, result.reference)
        return original(deps, claim, gateway, gateway_request, result)

    return settle


def telling_marked_holds(original: Function) -> Function:
    """Of `lock_claim`: the completing owner does not see the request for a cancel."""

    def lock_claim(*values: Any) -> Any:
        state = original(*values)
        return replace(state, cancel_asked=None)

    return lock_claim


def overlooking_contradictions(original: Function) -> Function:
    """Of `review_reason`: it takes a contradiction of the gateway for an ordinary unknown outcome."""

    def review_reason(operation: Any, result: Any) -> Any:
        return None if isinstance(result, Contradiction) else original(operation, result)

    return review_reason


def forgetting_what_was_lost(original: Function) -> Function:
    """Of `keys.claim`: the owner does not learn that the gateway did it before a restore."""

    def claim(*values: Any) -> Any:
        found = original(*values)
        return (*found[:2], None) if isinstance(found, tuple) else found

    return claim


MUTANTS: Mapping[str, Mutant] = {
    "a contradiction waits for nobody": Mutant({undecided.review_reason: overlooking_contradictions}),
    "a declined reversal goes on under its own key": Mutant({reversals._number: always(0)}),
    "amounts travel to Stripe by ISO 4217": Mutant(
        attributes=((minor, "STRIPE", replace(minor.STRIPE, decimals=EXPONENTS, steps={})),)
    ),
    "a cancel leaves before its mark is committed": Mutant({keys.note_cancel: always(True)}),
    "a hold that is to be cancelled is told": Mutant({keys.lock_claim: telling_marked_holds}),
    "a cancel goes under the key that moves money": Mutant(
        attributes=((GatewayRequest, "cancel_key", property(lambda asked: asked.send_key)),)
    ),
    "each confirmation has a key of its own": Mutant(
        attributes=((GatewayRequest, "send_key", property(lambda asked: f"{asked.gateway_key}/{asked.attempt}")),)
    ),
    "a refusal is told before its cancel": Mutant({registration.settle: declining_refusals}),
    "the gateway's id is written down without the fence": Mutant(
        statements={"note_reference": ("fence = :fence", ":fence > 0")}
    ),
    "a person may decline at once": Mutant({manual_resolution.check_is_quiet: always(None)}),
    "a return URL may lead anywhere": Mutant({payment_terms.check_origin: always(None)}),
    "a movement that a restore lost is made again": Mutant({keys.claim: forgetting_what_was_lost}),
}

BY_TESTS: Mapping[str, tuple[str, ...]] = {
    "a contradiction waits for nobody": (f"{REGISTERED}::test_contradiction_needs_a_person",),
    "a declined reversal goes on under its own key": (
        f"{REVERSALS}::test_c1_reversal_that_is_declined_is_tried_again_under_another_key",
    ),
    "amounts travel to Stripe by ISO 4217": ("tests/unit/test_minor.py",),
    "a cancel leaves before its mark is committed": (
        f"{REGISTERED}::test_refused_charge_is_cancelled_before_its_answer",
    ),
    "a hold that is to be cancelled is told": (
        f"{REGISTERED}::test_hold_approved_during_its_cancel_is_not_answered_as_held",
    ),
    "a cancel goes under the key that moves money": (
        f"{REGISTERED}::test_refused_charge_is_cancelled_before_its_answer",
    ),
    "each confirmation has a key of its own": (
        f"{REGISTERED}::test_next_send_key_is_used_only_after_a_replayed_failure",
    ),
    "a refusal is told before its cancel": (f"{REGISTERED}::test_refused_charge_is_cancelled_before_its_answer",),
    "the gateway's id is written down without the fence": (
        f"{REGISTERED}::test_owner_without_its_fence_confirms_nothing",
    ),
    "a person may decline at once": (f"{REGISTERED}::test_operator_declines_only_when_no_request_is_under_way",),
    "a return URL may lead anywhere": (f"{ACTING}::test_return_url_of_another_origin_is_refused",),
    "a movement that a restore lost is made again": ("tests/findings/test_k4_restored_at_stripe.py",),
}
