"""Every route admits each kind of token in each channel exactly as `docs/reference/access.md` says."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from payment_service import create_app
from payment_service.config import Settings
from payment_service.config_fields import CHANNELS
from payment_service.db import db
from payment_service.domain.principals import TokenScope
from payment_service.web.access import Access, Guard, init_access
from tests.conftest import dependencies_of, empty
from tests.support.access_table import needs, table_of
from tests.support.gateways import LedgerGateway
from tests.support.markdown import document
from tests.support.orders import paid
from tests.support.tokens import SECRET, bearer, token

PAGE = "docs/reference/access.md"
OF_SERVICES = frozenset({"trips", "bills", "orders", "checkout"})
SERVICES: dict[str, dict[str, Any]] = {
    "production": {"environment": "production", "auth_open_channels": frozenset()},
    "development": {},
}
SERVICES["scopes optional"] = SERVICES["production"] | {"auth_scopes_optional": OF_SERVICES}
"""The settings of each service; every one of them also serves a prefix of its own."""

PAYABLES = {"trips": "trip_id", "bills": "bill_id", "orders": "order_id"}
LISTS = {"trips": "trip_id=1", "bills": "skip=0", "orders": "page=1"}


@dataclass(frozen=True)
class Ask:
    """One request to a route, as the callers of a channel make it ("" for a route of no channel)."""

    method: str
    rule: str
    channel: str
    need: TokenScope | Guard
    path: str
    body: Mapping[str, Any] | None = None


@pytest.fixture(params=SERVICES)
def name(request: pytest.FixtureRequest) -> str:
    """Return the name of the service's settings."""
    return str(request.param)


@pytest.fixture
def served(migrated: Callable[[str], str], name: str) -> Iterator[Flask]:
    """Return that service. The decisions here need no database: one kind is enough."""
    settings = Settings(database_url=migrated("sqlite"), log_level="CRITICAL", jwt_secret_key=SECRET, api_prefix="/own")
    app = create_app(replace(settings, **SERVICES[name]), gateway=LedgerGateway())
    empty(dependencies_of(app).database)
    yield app
    with app.app_context():
        db.engine.dispose()


def payments_of_everybody(app: Flask) -> dict[str, int]:
    """Make a payment of every channel that shares paths, of the subject that all tokens here have."""
    client, made = app.test_client(), {}
    owner = bearer(scope="payments:charge")
    for channel, field in PAYABLES.items():
        body = {
            "amount": 5,
            "method": "UPI",
            "payment_method": "UPI",
            "user_id": 1,
            "idempotency_key": "trip",
            field: 1,
        }
        if channel != "trips":
            del body["idempotency_key"]
        key = {} if channel == "trips" else {"Idempotency-Key": channel}
        answer = client.post("/v1/payments", json=body, headers={**owner, **key})
        made[channel] = paid(answer, 200 if channel == "trips" else 201)["payment_id"]
    return made


def asks(app: Flask) -> Iterator[Ask]:
    """Return every route once for each of its channels. No request is complete: none changes anything."""
    made = payments_of_everybody(app)
    for method, rule, channels, need in needs(app):
        for channel in channels or ("",):
            number = made.get(channel, 999)
            path = rule.replace("<payment_id>", str(number)).replace("<gateway>", "none")
            path = re.sub("<[^>]+>", "999", path)
            if "idempotency-keys" in rule:
                yield Ask(method, rule, channel, need, f"{path}?key=k&channel={channel}")
            elif rule.endswith("payments") and len(channels) > 1 and method == "POST":
                yield Ask(method, rule, channel, need, path, {PAYABLES[channel]: 1})
            elif rule == "/v1/payments" and method == "GET":
                yield Ask(method, rule, channel, need, f"{path}?{LISTS[channel]}")
            elif rule.endswith("payments") and len(channels) > 1 and channel != "trips":
                continue  # the path of trips lists trips alone
            elif len(channels) == 1 and "payment_id" in rule:
                other = rule.replace("<payment_id>", "999999")
                yield Ask(method, rule, channel, need, other, {} if method != "GET" else None)
            else:
                yield Ask(method, rule, channel, need, path, {} if method in {"POST", "PATCH"} else None)


def expected_need(method: str, rule: str) -> TokenScope | Guard:
    """Return the need of a route, by its looks alone."""
    if "/ops" in rule and "/login" not in rule and not rule.endswith("/logout"):
        return TokenScope.OPERATE
    if rule.endswith(("/metrics", "/health/ready")):
        return Guard.PROXY
    if rule.startswith("/webhooks/"):
        return Guard.GATEWAY
    if "payments" not in rule and "idempotency-keys" not in rule:
        return Guard.PUBLIC
    if method == "GET":
        return TokenScope.READ
    return TokenScope.REFUND if rule.endswith(("/refund", "/refunds")) else TokenScope.CHARGE


def kinds_of_tokens(need: TokenScope, channel: str, *, odd: bool) -> Iterator[tuple[str, str | None]]:
    """Return the rows of the page's table of decisions, each with tokens, by their scopes (None: no token).

    `odd` adds spellings that no issuer should write.
    """
    wrong = next(each for each in CHANNELS if each != channel)
    yield "none", None
    yield "plain", ""
    for scope in TokenScope:
        is_service = scope is TokenScope.SERVICE and need is not TokenScope.OPERATE
        row = "needed" if scope is need else "service" if is_service else "other"
        yield row, scope.value
        yield row if channel else "other", f"{scope.value}:{channel or wrong}"
        yield "other", f"{scope.value}:{wrong}"
    if odd:
        yield "needed", f"profile {need.value}  {need.value} payments:unknown"
        for plain in ("profile email", "payments", need.value.upper(), f"x{need.value}", "\u00a0"):
            yield "plain", plain
        for nothing in (
            "",
            "extra",
            "*",
            f"{channel}:extra",
            f"{channel}\u00a0",
            f"{channel}\t",
            channel.upper() or "X",
        ):
            yield "other", f"{need.value}:{nothing}"
        for blank in ("\t", "\n", ",", "\u2003"):
            yield "other", f"{need.value}{blank}payments:service"


def decisions_of_page() -> dict[str, dict[str, str]]:
    """Return the decisions of channels and operations pages: kind of token, then mode, then the decision."""
    rows = document(PAGE).section("Decisions").rows()
    return {kind.split()[0]: dict(zip(("open", "token", "scopes", "ops"), cells, strict=True)) for kind, *cells in rows}


def mode_of(name: str, channel: str) -> str:
    """Return a channel's mode in a service."""
    if channel == "":
        return "ops"
    if channel == "bookings":
        return "token"
    return {"production": "scopes", "development": "open"}.get(name, "token")


def decision(client: FlaskClient, ask: Ask, scopes: str | None) -> str:
    """Return the decision on a request with such a token: `401`, `403`, or `yes`."""
    sent = "" if scopes is None else token(scope=scopes)
    headers = {"Authorization": f"Bearer {sent}"} if sent else {}
    if ask.need is TokenScope.OPERATE and sent:
        entered = client.post("/ops/login", data={"token": sent})
        if entered.status_code != 303:
            return "403" if is_refused(entered, ask) else str(entered.status_code)
        headers["Cookie"] = entered.headers["Set-Cookie"].partition(";")[0]
    answer = client.open(ask.path, method=ask.method, headers=headers, json=ask.body)
    assert answer.status_code < 500, (ask, scopes, answer.text)
    if answer.status_code == 401:
        return "401"
    return "403" if is_refused(answer, ask) else "yes"


def is_refused(answer: TestResponse, ask: Ask) -> bool:
    """Return whether an answer refuses the token for its scopes, and names the needed one."""
    if not answer.is_json:
        return answer.status_code == 403 and "do not have the scope payments:operate" in answer.text
    body = answer.get_json()
    if not isinstance(body, dict) or body.get("code") != "scope_missing":
        return False
    assert answer.status_code == 403
    text = body.get("error") or body["detail"]
    assert ask.need.value in text, (ask, text)
    assert body["retry"]["key"] == "same", (ask, body)
    return True


def test_page_lists_every_route_with_what_it_needs() -> None:
    app = create_app(Settings(database_url="sqlite:///unused.db"))

    assert document(PAGE).section("Routes").text.partition("| route ")[2] == table_of(app).partition("| route ")[2]


def test_every_route_needs_what_its_method_and_path_suggest(served: Flask) -> None:
    wrong = [(method, rule, need) for method, rule, _, need in needs(served) if need is not expected_need(method, rule)]

    assert wrong == []


def test_every_token_gets_the_decision_of_the_page_on_every_route(served: Flask, name: str) -> None:
    client, decisions = served.test_client(use_cookies=False), decisions_of_page()
    found, wrong = 0, list[object]()
    for ask in asks(served):
        if isinstance(ask.need, Guard):
            # Without a provider no operator can sign in there.
            expected = "401" if ask.path.startswith("/ops/login/") else "yes"
            wrong += [] if decision(client, ask, None) == decision(client, ask, "") == expected else [ask]
            continue
        for kind, scopes in kinds_of_tokens(ask.need, ask.channel, odd=name == "production"):
            expected = decisions[kind][mode_of(name, ask.channel)]
            got = decision(client, ask, scopes)
            wrong += [] if got == expected else [(ask, scopes, expected, got)]
            found += 1
    assert wrong == []
    assert found > 1000


def test_route_that_declares_no_need_stops_the_start() -> None:
    app = Flask(__name__, static_folder=None)
    blueprint = Blueprint("late", __name__)
    blueprint.get("/late")(lambda: "")
    app.register_blueprint(blueprint)
    wrong: list[Access] = [
        Access({}, ("trips",)),
        Access({"other": TokenScope.READ}, ("trips",)),
        Access(Guard.PUBLIC, ("trips",)),
        Access(TokenScope.OPERATE, ("trips",)),
        Access(TokenScope.READ),
        Access({}),
    ]
    for access in wrong:
        with pytest.raises(LookupError, match="declares no need"):
            init_access(app, {"late": access}, frozenset(), frozenset())
