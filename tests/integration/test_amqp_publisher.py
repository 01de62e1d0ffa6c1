"""One message that the broker closes the channel over, among many that are fine."""

from collections import Counter

import pika

from payment_service.delivery.amqp import Message, Publisher, Verdict
from tests.support.broker import Ear
from tests.support.waiting import wait_until


def message(number: int, poisoned: int) -> Message[int]:
    """Return a message with its number as body; the broker refuses one with an expiry of zero."""
    expiration = "at no time" if number == poisoned else None
    properties = pika.BasicProperties(message_id=str(number), expiration=expiration)
    return Message(number, "payment.completed", str(number).encode(), properties)


def test_poisoned_message_is_refused_and_every_other_is_confirmed(broker_port: int, ear: Ear) -> None:
    ear.bind()
    verdicts: list[tuple[int, Verdict]] = []
    parameters = pika.ConnectionParameters("127.0.0.1", broker_port)
    publisher: Publisher[int] = Publisher(
        parameters, ear.exchange, lambda about, said, _: verdicts.append((about, said))
    )
    waiting, ended = set(range(20)), Counter[Verdict]()

    def send_the_waiting_ones() -> bool:
        """Publish until each message has its verdict, except those that the connection lost; return the end of it."""
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
        return not waiting

    wait_until(send_the_waiting_ones, lambda: str(verdicts), patience=20)
    publisher.give_up("the test is over")
    while publisher.is_connected:
        publisher.run(0.5)
    assert ended == {Verdict.CONFIRMED: 19, Verdict.REFUSED: 1}
    bodies = ear.bodies()
    assert set(bodies) == {str(number).encode() for number in range(20)} - {b"7"}
