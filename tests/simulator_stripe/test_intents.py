"""PaymentIntents: their states, what each state forbids, and what the ledger moved."""

from typing import Any

import pytest
import stripe

from tests.support.stripe_bank import NO_REDIRECTS, SHOP, StripeBank, new_key


def refused(request: Any, *arguments: Any) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        request(*arguments)
    return caught.value


def intent_in(error: stripe.StripeError) -> Any:
    """Return the intent that an error carries."""
    assert error.error is not None
    return error.error.payment_intent


def test_confirmation_of_an_intent_charges_it(bank: StripeBank) -> None:
    key = new_key()
    intent = bank.made(key=key)
    assert (intent.status, intent.latest_charge, bank.moved(key)) == ("requires_confirmation", None, [])

    paid = bank.intents.confirm(intent.id, {"expand": ["latest_charge.balance_transaction"]})

    charge = paid.latest_charge
    assert (paid.status, paid.amount_received) == ("succeeded", 15_000)
    assert (charge.captured, charge.amount_captured, charge.balance_transaction.net) == (True, 15_000, 14_535)
    assert charge.payment_method_details.card.authorization_code
    assert bank.moved(key) == [("charge", "150.00")]
    assert bank.events(intent.id) == ["payment_intent.created", "payment_intent.succeeded"]


def test_intent_without_a_method_gets_one_at_its_confirmation(bank: StripeBank) -> None:
    intent = bank.made(card=None)
    assert intent.status == "requires_payment_method"
    error = refused(bank.intents.confirm, intent.id)
    assert (error.http_status, error.code) == (400, "payment_intent_unexpected_state")
    assert bank.intents.confirm(intent.id, {"payment_method": "pm_card_mastercard"}).status == "succeeded"


def test_partial_capture_releases_the_rest(bank: StripeBank) -> None:
    key, capture_key = new_key(), new_key()
    hold = bank.held(10_000, key=key, expand=["latest_charge"])
    assert (hold.status, hold.amount_capturable, hold.amount_received) == ("requires_capture", 10_000, 0)
    assert hold.latest_charge.payment_method_details.card.capture_before > hold.created + 6 * 86_400

    error = refused(bank.intents.capture, hold.id, {"amount_to_capture": 10_001})
    assert (error.http_status, error.code) == (400, "amount_too_large")
    assert refused(bank.intents.capture, hold.id, {"amount_to_capture": 0}).http_status == 400
    taken = bank.intents.capture(hold.id, {"amount_to_capture": 4_000}, {"idempotency_key": f"{capture_key}/c1"})

    assert (taken.status, taken.amount, taken.amount_received, taken.amount_capturable) == (
        "succeeded",
        10_000,
        4_000,
        0,
    )
    assert bank.moved(key) == [("authorize", "100.00")]
    assert bank.moved(capture_key) == [("capture", "40.00")]
    assert refused(bank.refunded, hold, 4_001).http_status == 400
    assert bank.refunded(hold, 4_000).status == "succeeded"


def test_cancel_releases_a_hold_once(bank: StripeBank) -> None:
    hold, key = bank.held(), new_key()
    gone = bank.intents.cancel(hold.id, {"cancellation_reason": "abandoned"}, {"idempotency_key": f"{key}/x1"})
    assert (gone.status, gone.cancellation_reason, gone.amount_capturable) == ("canceled", "abandoned", 0)
    assert bank.moved(key) == [("void", "150.00")]
    errors = [refused(late, hold.id) for late in (bank.intents.cancel, bank.intents.capture, bank.intents.confirm)]
    found = [(error.http_status, error.code, intent_in(error).status) for error in errors]
    assert found == [(400, "payment_intent_unexpected_state", "canceled")] * 3
    assert bank.moved(key) == [("void", "150.00")]


def test_cancel_under_the_key_of_its_authorization_is_distinguished(bank: StripeBank) -> None:
    key = new_key()
    hold = bank.held(key=key)
    bank.intents.cancel(hold.id, {}, {"idempotency_key": f"{key}/x1"})
    assert bank.moved(key) == [("authorize", "150.00")]
    assert bank.moved(f"{key}/x1") == [("void", "150.00")]


def test_cancel_without_held_money_moves_none(bank: StripeBank) -> None:
    key = new_key()
    intent = bank.made(key=key)
    assert bank.intents.cancel(intent.id, {}, {"idempotency_key": f"{key}/x1"}).status == "canceled"
    assert bank.moved(key) == bank.moved(f"{key}/x1") == []


def test_expired_hold_is_cancelled_by_the_bank(bank: StripeBank) -> None:
    hold = bank.held()
    bank.admin(f"payment_intents/{hold.id}/expire")
    gone = bank.intents.retrieve(hold.id)
    assert (gone.status, gone.cancellation_reason) == ("canceled", "automatic")


def test_two_intents_with_one_gateway_key_charge_twice(bank: StripeBank) -> None:
    key = new_key()
    for _ in range(2):
        bank.paid(key=key)
    assert bank.moved(key) == [("charge", "150.00")] * 2


@pytest.mark.parametrize("missing", ["amount", "currency"])
def test_missing_parameter_is_named(bank: StripeBank, missing: str) -> None:
    wanted = {"amount": 500, "currency": "usd"}
    del wanted[missing]
    error = refused(bank.intents.create, wanted)
    assert (error.http_status, error.code, error.error and error.error.param) == (400, "parameter_missing", missing)


@pytest.mark.parametrize(
    "wrong",
    [
        {"colour": "red"},
        {"payment_method_types": ["card"]},
        {"metadata": {"name": {"deep": "er"}}},
        {"amount": "12.5"},
        {"amount": 0},
        {"amount": 49},
        {"amount": 100_000_000},
        {"currency": "USD"},
        {"currency": "xxx"},
        {"capture_method": "later"},
        {"confirm": "perhaps"},
        {"payment_method": "pm_card_of_nobody"},
        {"metadata": {f"n{number}": "x" for number in range(51)}},
        {"metadata": {"n" * 41: "x"}},
        {"statement_descriptor": "SHOP"},
        {"statement_descriptor_suffix": "12345"},
        {"statement_descriptor_suffix": "x" * 23},
        {"return_url": SHOP},
        {"off_session": True},
        {"automatic_payment_methods": {"enabled": True, "colour": "red"}},
        {"expand": ["colour"]},
    ],
    ids=str,
)
def test_wrong_parameter_is_refused_and_makes_no_intent(bank: StripeBank, wrong: dict[str, Any]) -> None:
    newest = bank.made()
    assert refused(bank.intents.create, {"amount": 500, "currency": "usd"} | wrong).http_status == 400
    assert bank.intents.list({"limit": 1}).data[0].id == newest.id


def test_redirect_needs_a_return_url(bank: StripeBank) -> None:
    intent = bank.intents.create({"amount": 500, "currency": "usd", "payment_method": "pm_card_visa"})
    error = refused(bank.intents.confirm, intent.id)
    assert (error.http_status, error.error and error.error.param) == (400, "return_url")
    assert bank.intents.confirm(intent.id, {"return_url": SHOP}).status == "succeeded"
    only_cards = {"amount": 500, "currency": "usd", "allowed_payment_method_types": ["card"]}
    cards = bank.intents.create(only_cards | {"payment_method": "pm_card_visa", "confirm": True})
    assert cards.status == "succeeded"


@pytest.mark.parametrize(
    ("amount", "currency", "moved"),
    [
        (500, "ugx", "5"),
        (500, "isk", "5"),
        (500, "jpy", "500"),
        (5_000, "mga", "5000.00"),
        (1_230, "kwd", "1.230"),
        (50, "eur", "0.50"),
        (99_999_999, "usd", "999999.99"),
    ],
)
def test_amounts_are_minor_units_by_stripes_table(bank: StripeBank, amount: int, currency: str, moved: str) -> None:
    key = new_key()
    intent = bank.paid(amount, "pm_card_mastercard", currency=currency, key=key)
    assert (intent.status, bank.moved(key)) == ("succeeded", [("charge", moved)])


@pytest.mark.parametrize(("amount", "currency"), [(501, "ugx"), (550, "isk"), (1_234, "kwd"), (1_001, "bhd")])
def test_amount_with_digits_that_the_currency_lacks_is_refused(bank: StripeBank, amount: int, currency: str) -> None:
    error = refused(bank.intents.create, {"amount": amount, "currency": currency})
    assert (error.http_status, error.error and error.error.param) == (400, "amount")


def test_list_is_newest_first_filtered_and_paged(bank: StripeBank) -> None:
    made = [bank.made(customer="cus_of_this_test").id for _ in range(5)]
    pages = bank.intents.list({"limit": 2, "customer": "cus_of_this_test"})
    assert [each.id for each in pages.auto_paging_iter()] == made[::-1]
    assert (len(pages.data), pages.has_more) == (2, True)
    before = bank.intents.list({"limit": 2, "customer": "cus_of_this_test", "ending_before": made[1]})
    assert [each.id for each in before.data] == [made[3], made[2]]
    moment = bank.intents.retrieve(made[0]).created
    windows: list[Any] = [{"gte": moment}, {"gt": moment + 60}, {"lt": moment}, {"lte": moment + 60}]
    lists = [bank.intents.list({"customer": "cus_of_this_test", "created": window}) for window in windows]
    assert [len(each.data) for each in lists] == [5, 0, 0, 5]
    assert refused(bank.intents.list, {"limit": 101}).http_status == 400
    assert refused(bank.intents.list, {"starting_after": "pi_of_nobody"}).http_status == 400


def test_search_finds_a_new_intent_only_after_a_while(bank: StripeBank) -> None:
    key = new_key()
    intent = bank.paid(key=key)
    query = {"query": f"metadata['gateway_key']:'{key}' AND status:'succeeded' AND amount>=15000"}
    bank.admin("settings", search_delay=3600)
    assert bank.intents.search(query).data == []
    bank.admin("settings", search_delay=0)
    assert [each.id for each in bank.intents.search(query).data] == [intent.id]
    assert bank.intents.search({"query": f"metadata['gateway_key']:'{key}' AND status:'canceled'"}).data == []
    assert refused(bank.intents.search, {"query": "colour:'red'"}).http_status == 400


def test_unknown_object_answers_404(bank: StripeBank) -> None:
    kinds = (bank.intents, bank.refunds, bank.v1.charges, bank.v1.disputes)
    errors = [refused(kind.retrieve, "x_1") for kind in kinds]
    assert [(error.http_status, error.code) for error in errors] == [(404, "resource_missing")] * 4
    assert refused(bank.v1.customers.list).http_status == 404


def test_metadata_can_be_changed_in_any_state(bank: StripeBank) -> None:
    hold = bank.held(metadata={"gateway_key": "v1-marked", "old": "1"})
    bank.intents.update(hold.id, {"metadata": {"void_key": "v1-void", "old": ""}})
    bank.intents.cancel(hold.id)
    marked = bank.intents.update(hold.id, {"metadata": {"late": "1"}})
    assert marked.status == "canceled"
    assert marked.metadata.to_dict() == {"gateway_key": "v1-marked", "void_key": "v1-void", "late": "1"}


def test_empty_value_removes_metadata(bank: StripeBank) -> None:
    intent = bank.intents.create(
        {"amount": 500, "currency": "usd", "metadata": {"a": "1", "b": ""}, "automatic_payment_methods": NO_REDIRECTS}
    )
    assert intent.metadata.to_dict() == {"a": "1"}
