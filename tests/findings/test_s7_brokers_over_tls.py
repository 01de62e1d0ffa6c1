"""Events travel to brokers over TLS. Release 1.0.0 had no setting for it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from payment_service.config import Settings
from payment_service.delivery import sinks
from payment_service.delivery.base import Delivered, Report, Sink, SinkUnavailable
from payment_service.delivery.rabbitmq import EXCHANGE
from tests.support.broker import Ear, connect
from tests.support.sinks import an_event, reports_of
from tests.support.tls import TlsFront, make_certificate

Files = tuple[Path, Path]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls_port(broker_port: int, certificate: Files) -> Iterator[int]:
    with closing(TlsFront(broker_port, *certificate)) as front:
        yield front.port


def sink_of(**changes: str) -> Sink:
    """Return the sink of a process with this environment."""
    settings = Settings.from_env({"RABBITMQ_ENABLED": "true", **changes})
    return sinks.build_sinks({name.upper(): value for name, value in vars(settings).items()})["rabbitmq"]


def test_s7_event_reaches_rabbitmq_over_tls(tls_port: int, broker_port: int, certificate: Files) -> None:
    event = an_event()
    with connect(broker_port) as connection, connection.channel() as channel:
        channel.exchange_declare(EXCHANGE, "topic", durable=True)
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, EXCHANGE, event.event_type)
        url = f"amqps://guest:guest@127.0.0.1:{tls_port}/"
        with closing(sink_of(RABBITMQ_URL=url, RABBITMQ_CA_FILE=str(certificate[0]))) as sink:
            sink.send([event])
            assert reports_of(sink, 1) == [Report(event, Delivered())]
        assert channel.basic_get(queue, auto_ack=True)[2] == event.body.encode()


def test_s7_broker_with_an_unknown_certificate_gets_no_event(tls_port: int) -> None:
    with closing(sink_of(RABBITMQ_URL=f"amqps://guest:guest@127.0.0.1:{tls_port}/")) as sink:
        sink.send([an_event()])
        (report,) = reports_of(sink, 1)
    assert isinstance(report.outcome, SinkUnavailable)


def test_s7_plain_url_names_host_user_and_virtual_host(broker_port: int, ear: Ear) -> None:
    with closing(sink_of(RABBITMQ_URL=f"amqp://guest:guest@127.0.0.1:{broker_port}/%2F")) as sink:
        sink.send([an_event()])
        (report,) = reports_of(sink, 1)
    assert not isinstance(report.outcome, SinkUnavailable)


def test_s7_kafka_client_gets_the_protocol_and_the_password(
    certificate: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, str] = {}
    monkeypatch.setattr("payment_service.delivery.kafka.KafkaSink", lambda *_, **options: told.update(options))
    settings = Settings.from_env(
        {
            "KAFKA_BROKERS": "broker:9093",
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_USERNAME": "payments",
            "KAFKA_SASL_PASSWORD": "told to nobody",
            "KAFKA_CA_FILE": str(certificate[0]),
        }
    )
    sinks.build_sinks({name.upper(): value for name, value in vars(settings).items()})

    assert told == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "payments",
        "sasl.password": "told to nobody",
        "ssl.ca.location": str(certificate[0]),
    }


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_s7_sasl_without_a_name_is_refused(protocol: str) -> None:
    with pytest.raises(Exception, match="SASL needs a user name and a password"):
        Settings.from_env({"KAFKA_BROKERS": "broker:9093", "KAFKA_SECURITY_PROTOCOL": protocol})
