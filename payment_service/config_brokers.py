"""The settings of the brokers, and the rules that join them. `config.Settings` inherits `BrokerSettings`."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from urllib.parse import urlsplit

from marshmallow import ValidationError

from payment_service import config_contents as contents
from payment_service import config_fields as parse
from payment_service.config_fields import CHANNELS, Refusal, Violation, var

_ENCRYPTED = frozenset({"SSL", "SASL_SSL"})
_WITH_PASSWORD = frozenset({"SASL_PLAINTEXT", "SASL_SSL"})


def amqp_url(text: str) -> str:
    """Parse `amqps://user:password@host:port/vhost`; the last part is percent-encoded, and may be left out."""
    try:
        parts = urlsplit(text)
        fits = parts.scheme in {"amqp", "amqps"} and parts.hostname and parts.port != 0 and text.isprintable()
        if fits and not parts.query and not parts.fragment:
            return text
    except ValueError:
        pass
    raise ValidationError("must be amqp:// or amqps:// with a host, without a query.")


@dataclass(frozen=True, kw_only=True)
class BrokerSettings:
    """The brokers that get events, and how each is reached.

    `rabbitmq_url` wins over host, port, user and password. A CA file verifies a broker's certificate; None: the
    system's own.
    """

    rabbitmq_enabled: bool = var(False, parse.boolean)
    rabbitmq_url: str | None = var(None, amqp_url, secret=True)
    rabbitmq_host: str = var("localhost", parse.host)
    rabbitmq_port: int = var(5672, parse.port)
    rabbitmq_user: str = var("guest")
    rabbitmq_password: str = var("guest", secret=True)
    rabbitmq_ca_file: str | None = var(None, contents.readable_file)
    rabbitmq_channels: frozenset[str] = var(frozenset({"bookings"}), parse.channels(*CHANNELS))
    kafka_brokers: str | None = var(None, parse.brokers)
    kafka_topic: str = var("payment-events", parse.topic)
    kafka_security_protocol: str = var("PLAINTEXT", parse.choice("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"))
    kafka_sasl_mechanism: str = var("SCRAM-SHA-512", parse.choice("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"))
    kafka_sasl_username: str | None = var(None)
    kafka_sasl_password: str | None = var(None, secret=True)
    kafka_ca_file: str | None = var(None, contents.readable_file)
    kafka_channels: frozenset[str] = var(frozenset({"checkout"}), parse.channels(*CHANNELS))
    allow_plain_brokers: bool = var(False, parse.boolean)

    @property
    def rabbitmq_address(self) -> tuple[str, int]:
        """The host and port of RabbitMQ."""
        if self.rabbitmq_url is None:
            return self.rabbitmq_host, self.rabbitmq_port
        parts = urlsplit(self.rabbitmq_url)
        return parts.hostname or "", parts.port or (5671 if parts.scheme == "amqps" else 5672)


def contradictions(settings: BrokerSettings) -> Iterator[Violation]:
    """Yield the broken rules that hold in every environment."""
    if settings.kafka_brokers and find_spec("confluent_kafka") is None:
        yield ("KAFKA_BROKERS",), "needs the packages of requirements-kafka.txt."
    is_named = settings.kafka_sasl_username is not None and settings.kafka_sasl_password is not None
    if settings.kafka_brokers and settings.kafka_security_protocol in _WITH_PASSWORD and not is_named:
        names = ("KAFKA_SECURITY_PROTOCOL", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD")
        yield names, "SASL needs a user name and a password."


def refusals(settings: BrokerSettings) -> Iterator[Refusal]:
    """Yield the settings that production refuses."""
    if settings.rabbitmq_enabled and not (settings.rabbitmq_url or "").startswith("amqps:"):
        yield "ALLOW_PLAIN_BROKERS", ("RABBITMQ_URL",), "production needs amqps://."
    if settings.kafka_brokers and settings.kafka_security_protocol not in _ENCRYPTED:
        yield "ALLOW_PLAIN_BROKERS", ("KAFKA_SECURITY_PROTOCOL",), "production needs SSL or SASL_SSL."
