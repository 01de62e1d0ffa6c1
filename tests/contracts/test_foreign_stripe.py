"""Stripe's adapter against another project's Stripe simulator: our own might share the adapter's errors."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import requests

from payment_service.domain.operations import Terms
from payment_service.gateways.base import ActionRequired, Approved, Declined, Refused
from tests.support.contract_banks import Bank, before_stripe
from tests.support.instructions import PATIENT
from tests.support.localstripe import localstripe

CHALLENGED = {"number": "4000002500003155", "exp_month": "12", "exp_year": "2030", "cvc": "123"}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with localstripe() as url:
        yield url


@pytest.fixture(scope="module")
def foreign(address: str) -> Iterator[Bank]:
    with ExitStack() as stack:
        yield before_stripe(stack, "localstripe", address, declined="pm_card_chargeCustomerFail")


def in_the_browser(address: str, path: str, **form: str) -> dict[str, str]:
    """Send a request as Stripe's script does in the customer's browser."""
    headers = {"Authorization": "Bearer sk_test_browser", "Idempotency-Key": f"browser-{path}-{form}"}
    answer = requests.post(f"{address}/v1/{path}", data=form, headers=headers, timeout=PATIENT)
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = answer.json()
    return found


@pytest.fixture(scope="module")
def challenged(address: str) -> Terms:
    """Return a card with an issuer that asks for 3-D Secure."""
    card = {f"card[{name}]": value for name, value in CHALLENGED.items()}
    return Terms(in_the_browser(address, "payment_methods", type="card", **card)["id"])


def authenticate(address: str, told: ActionRequired, *, success: bool) -> None:
    secret = told.action.client_secret or ""
    path = f"payment_intents/{told.reference}/_authenticate"
    in_the_browser(address, path, client_secret=secret, success=str(success).lower())


@pytest.mark.parametrize(("success", "expected"), [(True, Approved), (False, Refused)])
def test_customer_authenticates_by_the_script_of_stripe(
    foreign: Bank, address: str, challenged: Terms, success: bool, expected: type
) -> None:
    request = foreign.asked(terms=challenged)
    told = foreign.send(request)
    assert isinstance(told, ActionRequired)
    assert told.action.type == "sdk"
    assert foreign.gateway.lookup(request) == told
    authenticate(address, told, success=success)
    assert isinstance(foreign.gateway.lookup(request), expected)


def test_failed_authentication_is_declined_after_the_cancel(foreign: Bank, address: str, challenged: Terms) -> None:
    request = foreign.asked(terms=challenged)
    told = foreign.send(request)
    assert isinstance(told, ActionRequired)
    authenticate(address, told, success=False)
    ended = foreign.registering.cancel(request)
    assert isinstance(ended, Declined)
    assert ended.code == "PAYMENT_INTENT_AUTHENTICATION_FAILURE"
    assert isinstance(foreign.gateway.lookup(request), Declined)


def test_customer_who_never_returns_is_not_charged(foreign: Bank, challenged: Terms) -> None:
    request = foreign.asked(terms=challenged)
    assert isinstance(foreign.send(request), ActionRequired)
    assert isinstance(foreign.registering.cancel(request), Declined)
    assert foreign.moved(request) == [0]
