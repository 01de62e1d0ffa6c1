"""Each client repeats a request, or stops, by the retry advice; its error tells the caller the state."""

from dataclasses import replace
from itertools import pairwise
from time import monotonic

import pytest

from tests.clients.calls import COMPLETE, PAID, PAY, READ, made
from tests.clients.scripted import scripted_service
from tests.clients.under_test import LOST, UNSENT, Call, Canned, Client, answer
from tests.support.ports import free_port

BUSY = answer(
    {"error": "busy", "code": "idempotency_key_in_use", "retry": {"safe": True, "key": "same", "after": 1}}, 409
)
FREE = answer({"error": "no", "code": "trip_not_completed", "retry": {"safe": True, "key": "same", "after": None}}, 400)
"""The service says that the key is still free: an earlier try may know better."""


def page(status: int) -> Canned:
    """Return a page of a proxy."""
    return answer("a page", status)


@pytest.mark.parametrize("call", [PAY, COMPLETE, READ], ids=lambda call: call.name)
def test_a_service_that_is_not_there_is_unavailable_after_the_deadline(client: Client, call: Call) -> None:
    outcome = client(replace(call, url=f"http://127.0.0.1:{free_port()}"))

    assert (outcome.raised["error"], outcome.raised["code"], outcome.raised["status"]) == (
        "Unavailable",
        "no_answer",
        0,
    )
    assert 50 < sum(outcome.pauses) < 60


@pytest.mark.parametrize(
    ("call", "given", "error", "once"),
    [
        (PAY, LOST, "OutcomeUnknown", False),
        (PAY, BUSY, "OutcomeUnknown", False),
        (PAY, page(500), "OutcomeUnknown", False),
        (PAY, page(429), "Unavailable", False),
        (PAY, UNSENT, "Unavailable", False),
        (PAY, page(404), "Refused", True),
        (COMPLETE, LOST, "OutcomeUnknown", True),
        (COMPLETE, page(504), "OutcomeUnknown", True),
        (COMPLETE, answer({"payment_id": 1, "status": "PENDING"}, 202), "OutcomeUnknown", True),
        (COMPLETE, UNSENT, "Unavailable", False),
        (COMPLETE, page(429), "Unavailable", False),
        (READ, LOST, "Unavailable", False),
        (READ, page(503), "Unavailable", False),
    ],
)
def test_request_that_always_fails_raises_after_the_deadline(
    client: Client, call: Call, given: Canned | str, error: str, once: bool
) -> None:
    outcome = made(client, call, given)

    assert outcome.raised["error"] == error
    assert (len(outcome.tries) == 1) is once


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ((LOST, UNSENT), "OutcomeUnknown"),
        ((LOST, page(404)), "OutcomeUnknown"),
        ((LOST, FREE), "OutcomeUnknown"),
        ((FREE,), "Refused"),
    ],
)
def test_an_answer_lost_once_is_not_forgotten_when_the_service_goes_away(
    client: Client, answers: tuple[Canned | str, ...], error: str
) -> None:
    assert made(client, PAY, *answers).raised["error"] == error


def test_pauses_grow_and_differ(client: Client) -> None:
    first, second = (made(client, PAY, LOST, options={"deadline": 8}).pauses for _ in range(2))

    assert first != second
    assert 0.05 <= first[0] <= 0.1
    assert all(later > earlier for earlier, later in pairwise(first))
    assert 1.5 < sum(first) < 8


def test_a_wait_beyond_the_deadline_is_not_begun(client: Client) -> None:
    pending = answer({"status": "PENDING"}, 202, Retry_After="30")
    outcome = made(client, PAY, pending, options={"deadline": 29})

    assert (len(outcome.tries), outcome.pauses) == (1, [])
    assert (outcome.raised["error"], outcome.raised["key"]) == ("OutcomeUnknown", "a-key")


def test_a_silent_service_does_not_hold_a_call_beyond_the_deadline(client: Client) -> None:
    began = monotonic()
    with scripted_service([{"do": "silence"}]) as service:
        outcome = client(replace(PAY, url=service.url, options={"deadline": 1, "timeout": 30}, real=True))

    assert (outcome.raised["error"], len(outcome.tries)) == ("OutcomeUnknown", 1)
    assert 1 <= monotonic() - began < 10


def test_the_error_has_what_a_caller_reports(client: Client) -> None:
    body = {"error": "no", "code": "illegal_move", "retry": {"safe": True, "key": None, "after": None}}
    raised = made(client, PAY, answer(body, 400, X_Request_ID="request-7")).raised

    assert (
        raised.items()
        >= {
            "message": "no",
            "code": "illegal_move",
            "status": 400,
            "request_id": "request-7",
            "key": "a-key",
            "retry": body["retry"],
        }.items()
    )


def test_every_fault_of_a_list_is_in_the_message(client: Client) -> None:
    faults = [{"loc": ["body", "amount"], "msg": "Amount must be positive", "type": "x"}, {"msg": "and more"}]
    raised = made(client, PAY, answer({"detail": faults, "code": "validation_error"}, 422)).raised

    assert raised["message"] == "Amount must be positive; and more"


def test_the_error_says_what_the_customer_must_do(client: Client) -> None:
    action = {"type": "redirect", "url": "https://bank.example/3ds", "client_secret": None, "expires_at": None}
    raised = made(client, PAY, answer({"payment_id": 1, "status": "PENDING", "next_action": action}, 202)).raised

    assert (raised["error"], raised["next_action"]) == ("ActionRequired", action)


def test_a_drawn_key_is_one_for_each_call(client: Client) -> None:
    keyless = replace(PAY, args={name: value for name, value in PAY.args.items() if name != "key"})
    first, again, second, _ = (each for _ in range(2) for each in made(client, keyless, LOST, PAID).tries)

    assert first.key == again.key
    assert second.key not in {first.key, None}


def test_a_token_is_asked_for_before_each_try(client: Client) -> None:
    tries = made(client, PAY, LOST, PAID, token=["first", "second"]).tries

    assert [each.headers["authorization"] for each in tries] == ["Bearer first", "Bearer second"]


def test_a_token_that_cannot_be_had_after_a_lost_answer_does_not_hide_the_key(client: Client) -> None:
    raised = made(client, PAY, LOST, PAID, token=["first"], options={"deadline": 2}).raised
    at_once = made(client, PAY, PAID, token=[])

    assert (raised["error"], raised["key"]) == ("OutcomeUnknown", "a-key")
    assert (at_once.tries, at_once.raised["error"]) == ([], {"python": "StopIteration"}.get(client.name, "RangeError"))
