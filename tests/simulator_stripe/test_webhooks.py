"""Events and webhooks: signed so that Stripe's library believes them, repeated until they arrive, and misbehaving."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from tests.support.receiver import Answer, Receiver, Taken
from tests.support.stripe_bank import StripeBank, new_key
from tests.support.waiting import wait_until

SECRET, OLDER_SECRET = "whsec_of_the_tests", "whsec_of_last_year"


@pytest.fixture
def receiver(bank: StripeBank) -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    for endpoint in bank.look("webhook_endpoints"):
        bank.simulator._http.delete(f"{bank.simulator.url}/_simulator/stripe/webhook_endpoints/{endpoint['id']}")
    receiver.close()


def listen(bank: StripeBank, receiver: Receiver, **changes: Any) -> dict[str, Any]:
    made = bank.admin("webhook_endpoints", **({"url": f"{receiver.url}/hook", "secrets": [SECRET]} | changes))
    assert isinstance(made, dict)
    return made


def believed(taken: Taken, secret: str = SECRET) -> Any:
    return stripe.Webhook.construct_event(taken.body, taken.headers["Stripe-Signature"], secret)


def arrived(receiver: Receiver, subject: str) -> list[str]:
    """Return the types of the events that arrived about an object."""
    bodies = [json.loads(each.body) for each in receiver.taken]
    return [body["type"] for body in bodies if body["data"]["object"]["id"] == subject]


def test_every_change_sends_a_valid_event(bank: StripeBank, receiver: Receiver) -> None:
    listen(bank, receiver)
    key = new_key()
    intent = bank.made(key=key)
    bank.intents.confirm(intent.id, {}, {"idempotency_key": key})
    wait_until(lambda: len(arrived(receiver, intent.id)) == 2)

    assert arrived(receiver, intent.id) == ["payment_intent.created", "payment_intent.succeeded"]
    event = [believed(each) for each in receiver.taken][-1]
    assert (event.object, event.livemode, event.request.idempotency_key) == ("event", False, key)
    assert event.data.object.status == "succeeded"
    known = bank.v1.events.retrieve(event.id)
    assert (known.created, known.type) == (event.created, event.type)


def test_webhook_is_signed_with_both_secrets_of_a_rotation(bank: StripeBank, receiver: Receiver) -> None:
    listen(bank, receiver, secrets=[SECRET, OLDER_SECRET])
    bank.made()
    wait_until(lambda: receiver.taken)
    assert believed(receiver.taken[0], SECRET).type == "payment_intent.created"
    assert believed(receiver.taken[0], OLDER_SECRET).type == "payment_intent.created"
    with pytest.raises(stripe.SignatureVerificationError):
        believed(receiver.taken[0], "whsec_of_somebody")


def test_endpoint_gets_only_the_requested_types(bank: StripeBank, receiver: Receiver) -> None:
    listen(bank, receiver, enabled_events=["payment_intent.succeeded"])
    intent = bank.paid()
    wait_until(lambda: receiver.taken)
    assert arrived(receiver, intent.id) == ["payment_intent.succeeded"]


def test_refused_event_is_sent_again_with_growing_pauses(bank: StripeBank, receiver: Receiver) -> None:
    bank.admin("settings", retry_base=0.1)
    receiver.behaviour = lambda _: Answer(503 if len(receiver.seen) < 3 else 200)
    endpoint = listen(bank, receiver)
    intent = bank.made()
    wait_until(lambda: arrived(receiver, intent.id))
    assert len({each.body for each in receiver.seen}) == 1

    def own() -> list[tuple[int, str | None]]:
        found = [each for each in bank.look("deliveries") if each["endpoint_id"] == endpoint["id"]]
        return [(each["tries"], each["outcome"]) for each in found]

    wait_until(lambda: own() == [(4, "delivered")], lambda: str(own()))


def test_undelivered_event_is_in_the_list_of_events(bank: StripeBank, receiver: Receiver) -> None:
    listen(bank, receiver, misbehaviour={"lose": 1.0})
    intent = bank.paid()
    missed = bank.v1.events.list({"delivery_success": False, "type": "payment_intent.succeeded"})
    (event,) = [each for each in missed if each.data.object.id == intent.id]
    assert event.pending_webhooks == 1
    assert receiver.seen == []


def test_events_are_filtered_by_type_and_time(bank: StripeBank) -> None:
    intent = bank.paid()
    by_type = bank.v1.events.list({"type": "payment_intent.succeeded"})
    by_types = bank.v1.events.list({"types": ["payment_intent.succeeded", "refund.failed"]})
    assert by_type.data[0].data.object.id == by_types.data[0].data.object.id == intent.id
    everything = bank.v1.events.list({"type": "payment_intent.*", "limit": 1}).data
    assert everything[0].type.startswith("payment_intent.")
    assert bank.v1.events.list({"created": {"gt": intent.created + 600}}).data == []
    paged = bank.v1.events.list({"limit": 1, "types": ["payment_intent.created", "payment_intent.succeeded"]})
    following = bank.v1.events.list(
        {
            "limit": 1,
            "starting_after": paged.data[0].id,
            "types": ["payment_intent.created", "payment_intent.succeeded"],
        }
    )
    assert following.data[0].id != paged.data[0].id


def test_delivery_may_be_doubled(bank: StripeBank, receiver: Receiver) -> None:
    listen(bank, receiver, misbehaviour={"duplicate": 1.0})
    intent = bank.paid()
    wait_until(lambda: len(arrived(receiver, intent.id)) == 4)
    ids = [believed(each).id for each in receiver.taken]
    assert len(ids) == 2 * len(set(ids))


def test_forged_delivery_is_followed_by_a_valid_one(bank: StripeBank, receiver: Receiver) -> None:
    bank.admin("settings", retry_base=0.1)

    def judge(taken: Taken) -> Answer:
        try:
            believed(taken)
        except stripe.SignatureVerificationError:
            return Answer(400)
        return Answer()

    receiver.behaviour = judge
    listen(bank, receiver, misbehaviour={"forge": 1.0})
    intent = bank.made()
    wait_until(lambda: arrived(receiver, intent.id))
    assert len(receiver.seen) == 2


def test_deliveries_may_be_late_and_out_of_order(bank: StripeBank, receiver: Receiver) -> None:
    endpoint = listen(bank, receiver, misbehaviour={"delay": 2.0, "shuffle": 2.0})
    began = time.time()
    intents = [bank.made().id for _ in range(12)]
    due = [each["due"] for each in bank.look("deliveries") if each["endpoint_id"] == endpoint["id"]]
    assert due != sorted(due, key=lambda moment: moment or 0)
    wait_until(lambda: len(receiver.taken) == 12)
    assert time.time() > began + 2.0
    order = [json.loads(each.body)["data"]["object"]["id"] for each in receiver.taken]
    assert sorted(order) == sorted(intents)
    assert order != intents


def test_event_can_be_sent_again(bank: StripeBank, receiver: Receiver) -> None:
    listen(bank, receiver)
    intent = bank.made()
    wait_until(lambda: receiver.taken)
    bank.admin(f"events/{believed(receiver.taken[0]).id}/resend")
    wait_until(lambda: arrived(receiver, intent.id) == ["payment_intent.created"] * 2)


def test_undelivered_event_survives_a_kill(bank: StripeBank, receiver: Receiver) -> None:
    listen(bank, receiver, misbehaviour={"delay": 2.0})
    intent = bank.made()
    bank.simulator.kill()
    assert receiver.seen == []
    bank.simulator.start()
    wait_until(lambda: arrived(receiver, intent.id) == ["payment_intent.created"])


def test_events_may_come_in_another_version_or_mode(bank: StripeBank, receiver: Receiver) -> None:
    listen(bank, receiver, overrides={"api_version": "2017-08-15", "livemode": True})
    bank.made()
    wait_until(lambda: receiver.taken)
    event = believed(receiver.taken[0])
    assert (event.api_version, event.livemode) == ("2017-08-15", True)
    assert bank.v1.events.retrieve(event.id).livemode is False


def test_event_caused_by_a_look_up_has_no_idempotency_key(bank: StripeBank) -> None:
    key = new_key()
    intent = bank.intents.confirm(bank.made(20_203, key=key).id, {}, {"idempotency_key": key})
    bank.intents.retrieve(intent.id)
    causes = {
        each.type: each.request.idempotency_key
        for each in bank.v1.events.list({"limit": 20})
        if each.data.object.id == intent.id
    }
    assert (causes["payment_intent.processing"], causes["payment_intent.succeeded"]) == (key, None)
