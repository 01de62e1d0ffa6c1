"""One AMQP connection with one confirming channel, driven only while `run()` is called.

pika's blocking connection takes one message at a time, and waits for its confirmation as long as the broker lives.
This one may have any number of messages under way, and its caller decides how long to wait.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Generic, TypeVar

import pika
from pika.exceptions import ChannelClosedByBroker

T = TypeVar("T")


class Verdict(Enum):
    """The broker's result for a message."""

    CONFIRMED = auto()
    UNROUTED = auto()  # accepted, but no queue is bound for it: the broker dropped it
    NACKED = auto()
    REFUSED = auto()  # the broker closed the channel because of it
    LOST = auto()  # no reply came


@dataclass(frozen=True)
class Message(Generic[T]):
    """A message to publish; `about` identifies it to the publisher's caller. `properties` have a message id."""

    about: T
    routing_key: str
    body: bytes
    properties: pika.BasicProperties


class Publisher(Generic[T]):
    """Publishes to a durable topic exchange, which it declares, and calls `told` once for each message.

    Connects when there is something to publish, and again after any failure. All messages of a lost connection are
    lost, and the caller must publish them again.
    """

    def __init__(
        self, parameters: pika.ConnectionParameters, exchange: str, told: Callable[[T, Verdict, str], None]
    ) -> None:
        self._parameters = parameters
        self._exchange = exchange
        self._told = told
        self._connection: pika.SelectConnection | None = None
        self._over = self._given_up = False
        self._channel: Any = None
        self._waiting: deque[Message[T]] = deque()
        self._unconfirmed: dict[int, Message[T]] = {}
        self._unrouted: set[str | None] = set()
        self._published = 0
        self._one_by_one = 0

    def publish(self, message: Message[T]) -> None:
        """Publish with the next `run()`, or as soon as there is a connection."""
        self._waiting.append(message)

    def run(self, seconds: float) -> None:
        """Connect if necessary, and process network events until `told` was called, or for `seconds`."""
        if self._connection is None:
            if not self._waiting:
                return
            self._connection = pika.SelectConnection(self._parameters, self._opened, self._ended, self._ended)
        self._publish_waiting()
        loop = self._connection.ioloop
        timer = loop.call_later(seconds, loop.stop)
        loop.start()
        loop.remove_timeout(timer)
        if self._over:
            self._forget()

    def give_up(self, reason: str) -> None:
        """Close the connection; everything unfinished is lost. The second call does not wait for the broker.

        A connection that is only beginning is not touched: interrupting it breaks pika, which ends or finishes it soon.
        """
        self._channel = None
        self._lose(reason)
        if self._connection is not None and self._connection.is_closing:
            self._forget()
        elif self._connection is not None and self._connection.is_open:
            self._given_up = True
            self._connection.close()

    @property
    def is_connected(self) -> bool:
        """True if there is a connection, even one that only begins or ends."""
        return self._connection is not None

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.ioloop.close()
        self._connection, self._channel = None, None
        self._over = self._given_up = False

    def _opened(self, connection: pika.SelectConnection) -> None:
        connection.channel(on_open_callback=self._prepare)

    def _prepare(self, channel: Any) -> None:
        channel.add_on_close_callback(self._channel_closed)
        channel.add_on_return_callback(self._came_back)
        channel.exchange_declare(
            self._exchange,
            "topic",
            durable=True,
            callback=lambda _: channel.confirm_delivery(self._confirmed, callback=lambda _: self._begin(channel)),
        )

    def _begin(self, channel: Any) -> None:
        self._channel, self._published = channel, 0
        self._publish_waiting()

    def _publish_waiting(self) -> None:
        while self._channel is not None and self._waiting and not (self._one_by_one and self._unconfirmed):
            message = self._waiting.popleft()
            self._published += 1
            self._unconfirmed[self._published] = message
            self._channel.basic_publish(
                self._exchange, message.routing_key, message.body, message.properties, mandatory=True
            )

    def _came_back(self, _channel: Any, _method: Any, properties: pika.BasicProperties, _body: bytes) -> None:
        self._unrouted.add(properties.message_id)  # its confirmation follows

    def _confirmed(self, frame: Any) -> None:
        method = frame.method
        upto = [tag for tag in self._unconfirmed if tag <= method.delivery_tag] if method.multiple else []
        for tag in upto or [method.delivery_tag]:
            message = self._unconfirmed.pop(tag, None)
            if message is None:
                continue  # given up in the meantime
            identity = message.properties.message_id
            verdict = Verdict.CONFIRMED if isinstance(method, pika.spec.Basic.Ack) else Verdict.NACKED
            if identity in self._unrouted:
                self._unrouted.discard(identity)
                verdict = Verdict.UNROUTED
            self._one_by_one = max(0, self._one_by_one - 1)
            self._tell(message, verdict, "")
        self._publish_waiting()

    def _channel_closed(self, channel: Any, reason: Exception) -> None:
        """Handle a channel that the broker closed because of one message, without naming it.

        A single unconfirmed message must be the cause. Otherwise all are lost, and as many as there were are then
        published one by one.
        """
        began = self._channel is channel
        self._channel = None
        if not (isinstance(reason, ChannelClosedByBroker) and channel.connection.is_open):
            return  # the connection ends as well
        if not began:
            self.give_up(str(reason))  # we may not declare the exchange
            return
        if len(self._unconfirmed) == 1:
            _, message = self._unconfirmed.popitem()
            self._one_by_one = max(0, self._one_by_one - 1)
            self._tell(message, Verdict.REFUSED, str(reason))
        self._one_by_one += len(self._unconfirmed)
        self._lose_unconfirmed(str(reason))
        channel.connection.channel(on_open_callback=self._prepare)

    def _ended(self, connection: pika.SelectConnection, error: Exception) -> None:
        self._channel, self._over = None, True
        if not self._given_up:  # after giving up, newer messages wait for the next connection
            self._lose(f"{type(error).__name__}: {error}")
        connection.ioloop.stop()

    def _lose(self, reason: str) -> None:
        self._lose_unconfirmed(reason)
        while self._waiting:
            self._tell(self._waiting.popleft(), Verdict.LOST, reason)

    def _lose_unconfirmed(self, reason: str) -> None:
        while self._unconfirmed:
            self._tell(self._unconfirmed.popitem()[1], Verdict.LOST, reason)
        self._unrouted.clear()

    def _tell(self, message: Message[T], verdict: Verdict, reason: str) -> None:
        self._told(message.about, verdict, reason)
        if self._connection is not None:
            self._connection.ioloop.stop()
