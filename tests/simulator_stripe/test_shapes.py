"""Objects have the fields that Stripe's library knows and, if its description is present, the shapes of that."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stripe
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.support.stripe_bank import SHOP, StripeBank, stripe_bank
from tests.support.waiting import wait_until

DESCRIPTION = "STRIPE_DESCRIPTION"
"""Names a file with Stripe's OpenAPI description."""

CLASSES: dict[str, type[stripe.StripeObject]] = {
    "payment_intent": stripe.PaymentIntent,
    "charge": stripe.Charge,
    "refund": stripe.Refund,
    "dispute": stripe.Dispute,
    "event": stripe.Event,
    "balance_transaction": stripe.BalanceTransaction,
    "payout": stripe.Payout,
    "payment_method": stripe.PaymentMethod,
}
Exchange = tuple[str, str, int, Any]


def recording(heard: list[Exchange]) -> Any:
    """Return Stripe's HTTP client, which adds every answer to `heard`: method, path, status, body."""
    client: Any = stripe.RequestsClient()
    ask = client.request

    def request(method: str, url: str, headers: Any, post_data: Any = None) -> Any:
        answer = ask(method, url, headers, post_data)
        heard.append((method, url.partition("?")[0], answer[1], json.loads(answer[0])))
        return answer

    client.request = request
    return client


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> list[Exchange]:
    """Return the answers of one walk past all objects."""
    with stripe_bank(tmp_path_factory.mktemp("shapes")) as quiet:
        heard: list[Exchange] = []
        client = recording(heard)
        walk(StripeBank(quiet.simulator, http_client=client))
        client.close()
    return heard


def walk(bank: StripeBank) -> None:
    paid = bank.paid(expand=["latest_charge.balance_transaction", "payment_method"])
    hold = bank.held(statement_descriptor_suffix="TEST")
    bank.intents.capture(hold.id, {"amount_to_capture": 100})
    bank.intents.cancel(bank.held().id, {"cancellation_reason": "duplicate"})
    for acting in (bank.paid(card="pm_card_authenticationRequired", return_url=SHOP), bank.paid(20_203)):
        bank.intents.retrieve(acting.id)
    bank.paid(card="pm_card_authenticationRequired")
    for body in ({"amount": 40_201}, {"colour": "red"}):
        with pytest.raises(stripe.StripeError):
            bank.made(confirm=True, **body)
    with pytest.raises(stripe.StripeError):
        bank.intents.confirm(paid.id)
    refund = bank.refunded(paid, 100)
    bank.refunded(paid, 20_203 - 20_000)
    bank.admin(f"refunds/{refund.id}/fail")
    bank.refunds.retrieve(refund.id, {"expand": ["failure_balance_transaction", "charge", "payment_intent"]})
    late = bank.refunded(bank.paid(card="pm_card_pendingRefund"), 100)
    wait_until(lambda: bank.refunds.retrieve(late.id).status == "succeeded")
    for status in ("under_review", "won"):
        dispute = bank.admin("disputes", payment_intent=paid.id)
        bank.admin(f"disputes/{dispute['id']}", status=status)
        bank.v1.disputes.retrieve(dispute["id"])
    bank.v1.payment_methods.retrieve("pm_card_visa")
    bank.v1.charges.retrieve(hold.latest_charge)
    bank.admin("payouts")
    bank.admin("settings", search_delay=0)
    bank.intents.search({"query": "status:'succeeded'"})
    bank.v1.balance_transactions.list({"limit": 100, "expand": ["data.source"]})
    for listed in (bank.intents, bank.refunds, bank.v1.disputes, bank.v1.events, bank.v1.payouts, bank.v1.charges):
        listed.list({"limit": 100})
    bank.v1.events.retrieve(bank.v1.events.list({"limit": 1}).data[0].id)


def objects_in(body: Any) -> Iterator[dict[str, Any]]:
    """Return every object of a class above, at any depth."""
    if isinstance(body, dict):
        if body.get("object") in list(CLASSES):
            yield body
        for each in body.values():
            yield from objects_in(each)
    elif isinstance(body, list):
        for each in body:
            yield from objects_in(each)


@pytest.mark.parametrize("kind", CLASSES)
def test_object_has_the_fields_that_the_library_knows(heard: list[Exchange], kind: str) -> None:
    found = [each for *_, body in heard for each in objects_in(body) if each["object"] == kind]
    known = CLASSES[kind].__annotations__
    always = {
        name
        for name, type_ in known.items()
        if name.islower() and not name.startswith("_") and not ("Optional" in str(type_) or "None" in str(type_))
    }
    assert found
    assert {name for each in found for name in each.keys() - known.keys()} == set()
    assert {name for each in found for name in always - each.keys()} == set()


def test_every_status_is_covered(heard: list[Exchange]) -> None:
    seen = {each["status"] for *_, body in heard for each in objects_in(body) if each["object"] == "payment_intent"}
    assert seen == {
        "requires_payment_method",
        "requires_confirmation",
        "requires_action",
        "processing",
        "requires_capture",
        "canceled",
        "succeeded",
    }


@pytest.mark.skipif(DESCRIPTION not in os.environ, reason=f"{DESCRIPTION} names no OpenAPI description of Stripe")
def test_every_answer_has_the_described_shape(heard: list[Exchange]) -> None:
    description = with_null(json.loads(Path(os.environ[DESCRIPTION]).read_text()))
    wrong = []
    judged = 0
    for method, url, status, body in heard:
        schema = schema_of(description, method, url.partition("/v1/")[2], status)
        if schema is not None:
            judged += 1
            wrong += [f"{method} {url} {status}: {each}" for each in complaints(description, schema, body)]
    assert judged > 40
    assert wrong == []


@pytest.mark.skipif(DESCRIPTION not in os.environ, reason=f"{DESCRIPTION} names no OpenAPI description of Stripe")
@pytest.mark.parametrize("wrong", [{"status": "paid"}, {"amount": "15000"}, {"latest_charge": 7}, {"currency": None}])
def test_object_of_another_shape_is_noticed(heard: list[Exchange], wrong: dict[str, object]) -> None:
    description = with_null(json.loads(Path(os.environ[DESCRIPTION]).read_text()))
    intent = next(body for *_, body in heard if body.get("object") == "payment_intent")
    assert complaints(description, {"$ref": "#/components/schemas/payment_intent"}, intent | wrong)


def complaints(description: Any, schema: Any, body: Any) -> list[str]:
    """Return the places where a body differs from its schema, which may refer to the description."""
    judge = Draft202012Validator({**schema, "components": description["components"]})
    return [f"{error.json_path}: {error.message[:200]}" for error in judge.iter_errors(body)]


def schema_of(description: Any, method: str, path: str, status: int) -> Any:
    """Return the description's schema of an answer; None for a path that it leaves out."""
    for template, operations in description["paths"].items():
        wanted, given = template.removeprefix("/v1/").split("/"), path.split("/")
        fits = len(wanted) == len(given) and all(
            one == other or one.startswith("{") for one, other in zip(wanted, given, strict=True)
        )
        if fits and method in operations and not ("{" in template and path.endswith("/search")):
            answers = operations[method]["responses"]
            answer = answers["200"] if status == 200 else answers["default"]
            return answer["content"]["application/json"]["schema"]
    return None


def with_null(part: Any) -> Any:
    """Return the description as JSON Schema: `nullable` values may be null, which OpenAPI says beside the rest."""
    if isinstance(part, list):
        return [with_null(each) for each in part]
    if not isinstance(part, dict):
        return part
    plain = {name: with_null(each) for name, each in part.items() if name != "nullable"}
    if part.get("nullable") is not True:
        return plain
    return {"anyOf": [plain, {"type": "null"}]}
