"""Kafka for tests: librdkafka's mock cluster, which speaks the real protocol on a real port and fails on demand.

The library inside the wheel of confluent-kafka exports it, and the wheel's Python does not: so it is called by ctypes.
It is not a broker. It keeps its messages in the memory of this process.
"""

import ctypes
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import confluent_kafka
from confluent_kafka import Consumer, TopicPartition

from tests.support.events import Arrival

PRODUCE, INIT_PRODUCER_ID = 0, 22
"""Requests by their numbers in Kafka's protocol."""

PARTITIONS = 3


def _library() -> ctypes.CDLL:
    wheel = Path(confluent_kafka.__file__).resolve().parent
    (path,) = wheel.with_name("confluent_kafka.libs").glob("librdkafka*.so*")
    return ctypes.CDLL(str(path))


def _function(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    function = getattr(_LIBRARY, f"rd_kafka_{name}")
    function.restype, function.argtypes = result, list(arguments)
    found: Callable[..., Any] = function
    return found


_LIBRARY = _library()
_POINTER = ctypes.c_void_p
_new_configuration = _function("conf_new", _POINTER)
_configure = _function(
    "conf_set", ctypes.c_int, _POINTER, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t
)
_new_client = _function("new", _POINTER, ctypes.c_int, _POINTER, ctypes.c_char_p, ctypes.c_size_t)
_destroy_client = _function("destroy", None, _POINTER)
_new_cluster = _function("mock_cluster_new", _POINTER, _POINTER, ctypes.c_int)
_destroy_cluster = _function("mock_cluster_destroy", None, _POINTER)
_addresses = _function("mock_cluster_bootstraps", ctypes.c_char_p, _POINTER)
_create_topic = _function("mock_topic_create", ctypes.c_int, _POINTER, ctypes.c_char_p, ctypes.c_int, ctypes.c_int)
_set_down = _function("mock_broker_set_down", ctypes.c_int, _POINTER, ctypes.c_int32)
_set_up = _function("mock_broker_set_up", ctypes.c_int, _POINTER, ctypes.c_int32)
_set_delay = _function("mock_broker_set_rtt", ctypes.c_int, _POINTER, ctypes.c_int32, ctypes.c_int)
# The errors follow as any number of further arguments, which ctypes passes on where no types are declared for them.
_push_errors = _function("mock_push_request_errors", None, _POINTER, ctypes.c_int16, ctypes.c_size_t)


class KafkaCluster:
    """A cluster of `brokers` with one topic; `brokers_at` is what a client connects to."""

    def __init__(self, topic: str, brokers: int = 1) -> None:
        self.topic = topic
        self._brokers = range(1, brokers + 1)
        problem = ctypes.create_string_buffer(512)
        configuration = _new_configuration()
        assert _configure(configuration, b"log_level", b"0", problem, len(problem)) == 0, problem.value
        # A producer that never produces: the cluster lives inside a client.
        self._client = _new_client(0, configuration, problem, len(problem))
        assert self._client, problem.value
        self._cluster = _new_cluster(self._client, brokers)
        self.brokers_at: str = _addresses(self._cluster).decode()
        assert _create_topic(self._cluster, topic.encode(), PARTITIONS, 1) == 0

    def down(self) -> None:
        """Hang up on every client and accept no connection."""
        for broker in self._brokers:
            assert _set_down(self._cluster, broker) == 0

    def up(self) -> None:
        """Be back, with everything that was kept."""
        for broker in self._brokers:
            assert _set_up(self._cluster, broker) == 0

    def delay(self, milliseconds: int) -> None:
        """Answer everything that much later."""
        for broker in self._brokers:
            assert _set_delay(self._cluster, broker, milliseconds) == 0

    def fail(self, request: int, *errors: int) -> None:
        """Answer the next requests of that kind with these errors, in order."""
        codes = [ctypes.c_int(error) for error in errors]
        _push_errors(self._cluster, ctypes.c_int16(request), ctypes.c_size_t(len(codes)), *codes)

    def listen(self, quiet: float = 0.5) -> list[confluent_kafka.Message]:
        """Every message of the topic, partition by partition in order; `quiet` seconds without one mean the end."""
        consumer = Consumer({"bootstrap.servers": self.brokers_at, "group.id": "test", "log_level": 0})
        consumer.assign([TopicPartition(self.topic, number, 0) for number in range(PARTITIONS)])
        messages: list[confluent_kafka.Message] = []
        until = time.monotonic() + 10 * quiet
        while time.monotonic() < until:
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                messages.append(message)
                until = time.monotonic() + quiet
        consumer.close()
        return messages

    def close(self) -> None:
        """Be gone."""
        _destroy_cluster(self._cluster)
        _destroy_client(self._client)


def arrival(message: confluent_kafka.Message) -> Arrival:
    """Return a consumer's view of a message."""
    body = bytes(message.value() or b"")
    envelope = json.loads(body)
    return Arrival(envelope["event_id"], envelope["data"]["payment_id"], envelope["version"], body)
