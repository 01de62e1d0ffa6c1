"""One message that the broker closes the channel over, among many that are fine."""

import time
from collections import Counter

import pika

from payment_service.delivery.amqp import Message, Publisher, Verdict
from tests.support.broker import Ear


def message(number: int, poisoned: int) -> Message[int]:
    """Return a message with its number as body; the broker refuses one with an expiry of zero."""
    expiration = "at no time" if number == poisoned else None
    properties = pika.BasicProperties(message_id=str(number), expiration=expiration)
    return Message(number, "payment.completed", str(number).encode(), properties)


def test_a_poisoned_message_is_found_out_and_no_other_is_refused(broker_port: int, ear: Ear) -> None:
    ear.bind()
    verdicts: list[tuple[int, Verdict]] = []

    parameters = pika.ConnectionParameters("127.0.0.1", broker_port)
    publisher: Publisher[int] = Publisher(
        parameters, ear.exchange, lambda about, said, _: verdicts.append((about, said))
    )
    waiting, ended = set(range(20)), Counter[Verdict]()
    deadline = time.monotonic() + 20
    while waiting:
        assert time.monotonic() < deadline, verdicts
        for number in sorted(waiting):
            publisher.publish(message(number, poisoned=7))
        verdicts.clear()
        until = len(waiting)
        while len(verdicts) < until:
            publisher.run(0.5)
        for number, verdict in verdicts:
            if verdict is not Verdict.LOST:
                ended[verdict] += 1
                waiting.discard(number)
    publisher.give_up("the test is over")
    while publisher.is_connected:
        publisher.run(0.5)
    assert ended == {Verdict.CONFIRMED: 19, Verdict.REFUSED: 1}
    bodies = ear.bodies()
    assert set(bodies) == {str(number).encode() for number in range(20)} - {b"7"}
