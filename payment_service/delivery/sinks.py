"""Builds the enabled sinks. `config` is the app's: settings by their upper-case names."""

import ssl
from collections.abc import Mapping
from typing import Any

import pika

from payment_service.delivery.base import Sink
from payment_service.delivery.http import HttpSink
from payment_service.delivery.rabbitmq import RabbitSink
from payment_service.delivery.signatures import Signer

Config = Mapping[str, Any]

NEIGHBOURS = {
    "trip_notification": "TRIP_NOTIFICATION_SERVICE_URL",
    "order": "ORDER_SERVICE_URL",
    "inventory": "INVENTORY_SERVICE_URL",
    "notification": "NOTIFICATION_SERVICE_URL",
}
"""The HTTP sinks by name, with the setting that enables each and has its address."""


def switched_on(config: Config) -> frozenset[str]:
    """Return the names of all enabled sinks."""
    names = {name for name, setting in NEIGHBOURS.items() if config[setting]}
    brokers = {"rabbitmq": config["RABBITMQ_ENABLED"], "kafka": config["KAFKA_BROKERS"]}
    return frozenset(names | {name for name, on in brokers.items() if on})


def build_sinks(config: Config) -> dict[str, Sink]:
    """Return every enabled sink, ready to send; connections are made with the first message."""
    sinks: dict[str, Sink] = {
        name: HttpSink(name, config[setting], _signer(config, name))
        for name, setting in NEIGHBOURS.items()
        if config[setting]
    }
    if config["RABBITMQ_ENABLED"]:
        sinks["rabbitmq"] = RabbitSink(_rabbitmq(config))
    if config["KAFKA_BROKERS"]:
        from payment_service.delivery.kafka import KafkaSink  # noqa: PLC0415 - its client is an optional extra

        sinks["kafka"] = KafkaSink(config["KAFKA_BROKERS"], config["KAFKA_TOPIC"], **_kafka_security(config))
    return sinks


def _rabbitmq(config: Config) -> pika.ConnectionParameters:
    if config["RABBITMQ_URL"] is None:
        credentials = pika.PlainCredentials(config["RABBITMQ_USER"], config["RABBITMQ_PASSWORD"])
        return pika.ConnectionParameters(config["RABBITMQ_HOST"], config["RABBITMQ_PORT"], "/", credentials)
    parameters = pika.URLParameters(config["RABBITMQ_URL"])
    if parameters.ssl_options is not None:
        context = ssl.create_default_context(cafile=config["RABBITMQ_CA_FILE"])
        parameters.ssl_options = pika.SSLOptions(context, parameters.host)
    return parameters


def _kafka_security(config: Config) -> dict[str, Any]:
    """Return `KAFKA_SECURITY_PROTOCOL` and the settings beside it under the client's own names."""
    options: dict[str, Any] = {"security.protocol": config["KAFKA_SECURITY_PROTOCOL"]}
    if config["KAFKA_CA_FILE"]:
        options["ssl.ca.location"] = config["KAFKA_CA_FILE"]
    if config["KAFKA_SECURITY_PROTOCOL"].startswith("SASL_"):
        options["sasl.mechanism"] = config["KAFKA_SASL_MECHANISM"]
        options["sasl.username"] = config["KAFKA_SASL_USERNAME"]
        options["sasl.password"] = config["KAFKA_SASL_PASSWORD"]
    return options


def _signer(config: Config, name: str) -> Signer:
    """Return a signer with the receiver's own secret, or with the common one if it has none."""
    return Signer.of(config[f"{name.upper()}_WEBHOOK_SECRET"] or config["WEBHOOK_SECRET"])
