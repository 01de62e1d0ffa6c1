"""The composition root: it makes everything and hands it to its users; read from top to bottom."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import BoundedSemaphore

import structlog
from alembic.script import ScriptDirectory
from flask import Blueprint, Flask
from flask_cors import CORS
from flask_migrate import Migrate

from payment_service import failpoints
from payment_service.blueprints import docs, health, ops, webhooks
from payment_service.blueprints.keys import keys_blueprint
from payment_service.blueprints.metrics import metrics_blueprint
from payment_service.blueprints.payments import payments_blueprint
from payment_service.blueprints.refunds import refunds_blueprint
from payment_service.channels import CHANNELS
from payment_service.cli import register_commands
from payment_service.config import Settings
from payment_service.config_production import overrides_in_use
from payment_service.db import Database, db, engine_options, prepare_engine
from payment_service.delivery.sinks import switched_on
from payment_service.domain.chain import JournalKeys
from payment_service.domain.principals import TokenScope
from payment_service.gateways.base import Gateway
from payment_service.gateways.factory import gateways_from
from payment_service.gateways.routing import Gateways
from payment_service.logs import configure_logging
from payment_service.services.dependencies import Dependencies, Limits
from payment_service.services.readiness import Readiness
from payment_service.web.access import Access, Guard, Need, init_access
from payment_service.web.auth import init_auth
from payment_service.web.channel import Channel
from payment_service.web.context import EXTENSION, init_context
from payment_service.web.errors import init_errors
from payment_service.web.openapi import Description
from payment_service.web.operators import PROVIDER
from payment_service.web.routing import AnyText
from payment_service.web.sign_in_provider import Provider

log = structlog.get_logger(__name__)

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"

EXPOSED = ("Idempotent-Replayed", "Retry-After", "X-Request-ID", "X-Correlation-ID")
"""Response headers that a browser shows the pages of other origins."""

Route = tuple[Blueprint, str, Access]
Needs = Mapping[str, Need]


def create_app(settings: Settings, *, gateway: Gateway | None = None, channels: Sequence[Channel] = CHANNELS) -> Flask:
    """Return the service as a WSGI application. Tests hand in their own gateway, or one channel more."""
    configure_logging(settings.log_level)
    failpoints.arm(settings.failpoints)
    for override in overrides_in_use(settings):
        log.warning("production.override", setting=override)
    if settings.prometheus_multiproc_dir:
        Path(settings.prometheus_multiproc_dir).mkdir(parents=True, exist_ok=True)
    app = Flask(__name__, static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # a payable may be called "a//b", and no caller's document knows redirects
    app.url_map.converters["text"] = AnyText
    # Without a secret key Flask opens no session: no request uses one, and every request would pay 20 µs for it.
    app.config.from_mapping({name.upper(): value for name, value in vars(settings).items() if name != "secret_key"})
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    deps = _dependencies(app, settings, gateway, channels)
    app.extensions[EXTENSION] = deps
    app.extensions[health.READINESS] = Readiness(deps, _migration_head(), _brokers(settings))
    init_context(app)
    init_auth(app)
    app.extensions[PROVIDER] = _sign_in_provider(app)
    table = _register(app, _routes(settings, channels))
    init_access(app, table, settings.auth_open_channels, _plain_channels(settings, channels))
    errors = {channel.name: channel.renderer.errors for channel in channels}
    init_errors(app, errors, _paths(settings, channels), {ops.PREFIX: ops.error_page})
    app.extensions[docs.DESCRIPTION] = Description(app, channels)
    if settings.cors_origins:
        CORS(app, origins=list(settings.cors_origins), always_send=False, expose_headers=list(EXPOSED))
    register_commands(app)
    return app


def _dependencies(app: Flask, settings: Settings, gateway: Gateway | None, channels: Sequence[Channel]) -> Dependencies:
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(settings.database_url, settings.db_pool_size)
    db.init_app(app)
    Migrate(app, db, directory=str(MIGRATIONS), render_as_batch=True)
    with app.app_context():
        prepare_engine(db.engine)
        database = Database(db.engine)
    return Dependencies(
        database=database,
        gateways=Gateways({"remote": gateway}, "remote") if gateway else gateways_from(settings),
        renderers={channel.name: channel.renderer for channel in channels},
        limits=Limits(
            lease=settings.lease_seconds,
            wait=settings.idempotency_wait,
            ttl=settings.idempotency_key_ttl,
            gateway_budget=settings.gateway_budget,
            keyless_answer=settings.keyless_answer_seconds,
            duplicate_refund=settings.duplicate_refund_seconds,
            action_ttl=settings.gateway_action_ttl,
            pending_ttl={channel.name: settings.pending_seconds(channel.name) for channel in channels},
            answer_within=settings.gunicorn_timeout - settings.lookup_budget,
        ),
        sinks=switched_on(app.config),
        waiting=BoundedSemaphore(max(1, settings.web_threads // 2)),
        broker_channels={"rabbitmq": settings.rabbitmq_channels, "kafka": settings.kafka_channels},
        journal=_journal(settings),
    )


HEALTH: Needs = {"health": Guard.PUBLIC, "live": Guard.PUBLIC, "ready": Guard.PROXY}
PAYMENTS: Needs = {"create": TokenScope.CHARGE, "listing": TokenScope.READ, "show": TokenScope.READ}
REFUNDS: Needs = {"create": TokenScope.REFUND, "listing": TokenScope.READ}
KEYS: Needs = {"inspect": TokenScope.READ, "inspect_parameter": TokenScope.READ}


def _sign_in_provider(app: Flask) -> Provider | None:
    """Return the provider at which operators sign in, None if they paste tokens only."""
    if not app.config["OPS_OIDC_ISSUER"]:
        return None
    from payment_service.web.oidc import OpenIdProvider  # noqa: PLC0415 - Authlib takes a tenth of a second to load

    return OpenIdProvider(app.config)


def _journal(settings: Settings) -> JournalKeys:
    if settings.is_production and not settings.journal_key:
        log.warning("journal.without_key", advice="set JOURNAL_KEY: without it an intruder can rewrite the journal")
    return JournalKeys(settings.journal_key)


def _routes(settings: Settings, channels: Sequence[Channel]) -> Iterator[Route]:
    """Yield every blueprint with its prefix and its access policy: the channels, and the need of each view.

    A new view of the operations pages is for operators; any other view declares its need, or the service does not
    start.
    """
    shares = {channel.name: channel.shared for channel in channels if channel.shared}
    refunds = {channel.name: channel.refunds for channel in channels if channel.refunds}
    prefix, v1 = settings.api_prefix, settings.v1_default_channel
    for each in ("", "/v1"):
        yield health.blueprint, each, Access(HEALTH)
        yield docs.blueprint, each, Access(Guard.PUBLIC)
        yield metrics_blueprint, each, Access(Guard.PROXY)
    yield webhooks.blueprint, "", Access(Guard.GATEWAY)
    yield ops.login_blueprint, "", Access(Guard.PUBLIC)
    yield ops.blueprint, "", Access(TokenScope.OPERATE)
    if shares:
        of_payments = Access(PAYMENTS, tuple(shares))
        yield payments_blueprint("payments", shares, "trips", owned=True), "", of_payments
        yield payments_blueprint("v1_payments", shares, v1, owned=False), "/v1", of_payments
        if prefix not in ("", "/v1"):
            yield payments_blueprint("prefixed_payments", shares, "trips", owned=True), prefix, of_payments
    if refunds:
        of_refunds = Access(REFUNDS, tuple(refunds))
        yield refunds_blueprint("refunds", refunds, "trips"), "", of_refunds
        if prefix:
            yield refunds_blueprint("prefixed_refunds", refunds, "trips"), prefix, of_refunds
    keys = keys_blueprint({channel.name: channel.payment_path for channel in channels})
    of_keys = Access(KEYS, tuple(channel.name for channel in channels))
    yield keys, "/v1", of_keys
    if prefix not in ("", "/v1"):
        yield keys, prefix, of_keys
        yield health.blueprint, prefix, Access(HEALTH)
        yield metrics_blueprint, prefix, Access(Guard.PROXY)
    for channel in channels:
        for blueprint, own_prefix, scopes in channel.blueprints:
            yield blueprint, own_prefix, Access(scopes, (channel.name,))


def _plain_channels(settings: Settings, channels: Sequence[Channel]) -> frozenset[str]:
    """Return the channels with tokens that need no scope: in production the open, the customers' and the named ones."""
    if not settings.is_production:
        return frozenset(channel.name for channel in channels)
    if settings.auth_scopes_optional:
        log.warning("auth.scopes_optional", channels=sorted(settings.auth_scopes_optional))
    customers = {channel.name for channel in channels if channel.serves_customers}
    return settings.auth_open_channels | settings.auth_scopes_optional | customers


def _register(app: Flask, routes: Iterator[Route]) -> dict[str, Access]:
    """Register every blueprint under a name of its own. Return the access policy of each, by that name."""
    table = {}
    for blueprint, prefix, access in routes:
        name = f"{blueprint.name}{prefix.replace('/', '_')}"
        app.register_blueprint(blueprint, url_prefix=prefix or None, name=name)
        table[name] = access
    return table


def _paths(settings: Settings, channels: Sequence[Channel]) -> list[tuple[str, str]]:
    """Return the channel for the format of early errors on each path; the first of two equal paths holds."""
    paths = [(path, channel.name) for channel in channels for path in channel.paths]
    return [*paths, ("/v1/payments", settings.v1_default_channel), (f"{settings.api_prefix}/payments", "trips")]


@cache
def _migration_head() -> str:
    """Return the newest migration. Cached: Alembic compiles all to find it, twice the time of the rest of an app."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head() or ""


def _brokers(settings: Settings) -> dict[str, list[tuple[str, int]]]:
    """Return the brokers' addresses, none for one that is switched off."""
    kafka = [entry.rpartition(":") for entry in (settings.kafka_brokers or "").split(",") if entry]
    return {
        "rabbitmq": [settings.rabbitmq_address] if settings.rabbitmq_enabled else [],
        "kafka": [(host, int(port)) for host, _, port in kafka],
    }
