"""Operators sign in at an OpenID provider that answers rightly or wrongly: on both databases."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from flask.testing import FlaskClient

from tests.conftest import Lines, MakeApp
from tests.support.oidc_provider import CALLBACK, CLIENT_SECRET, OidcProvider, come_back, leave_for, sign_in_at
from tests.support.operators import HOME, SCOPE, page, sign_in
from tests.support.tokens import token


@pytest.fixture
def provider() -> Iterator[OidcProvider]:
    with OidcProvider() as running:
        yield running


@pytest.fixture
def browser(make_app: MakeApp, provider: OidcProvider) -> FlaskClient:
    """Return a browser in front of a service that signs its operators in at the provider."""
    return make_app(**provider.settings).test_client()


def refused(client: FlaskClient, provider: OidcProvider, status: int = 401) -> str:
    """Sign in, which must fail and leave no session; return the page's message."""
    answer = sign_in_at(client, provider)
    assert answer.status_code == status, answer.text
    assert client.get(HOME).status_code == 401
    return answer.text


def reasons(lines: Lines) -> list[object]:
    return [line.get("reason") for line in lines() if line["event"] == "auth.refused"]


def test_sign_in_at_the_provider_opens_the_requested_page(browser: FlaskClient, provider: OidcProvider) -> None:
    asked = browser.get("/ops/search?q=4711")
    assert asked.status_code == 401
    assert f"Sign in at {provider.issuer.removeprefix('http://')}" in asked.text

    led = sign_in_at(browser, provider, then="/ops/search?q=4711")

    assert (led.status_code, led.headers["Location"]) == (303, "/ops/search?q=4711")
    assert "maria" in page(browser)
    assert set(provider.exchanged) == {"grant_type", "code", "code_verifier", "redirect_uri"}
    assert len(provider.exchanged["code_verifier"]) >= 43


def test_sign_in_page_sends_no_request_to_the_provider(browser: FlaskClient, provider: OidcProvider) -> None:
    assert browser.get("/ops/login").status_code == 200
    assert provider.asked == []


WRONG_TOKENS: dict[str, dict[str, Any]] = {
    "another nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "another issuer": {"iss": "https://evil.example"},
    "another audience": {"aud": "another-client"},
    "many audiences without this client as the authorized party": {"aud": ["payment-service", "other"]},
    "another authorized party": {"azp": "other"},
    "expired": {"exp": int(time.time()) - 120},
    "no expiry": {"exp": None},
    "from the future": {"iat": int(time.time()) + 600},
    "no subject": {"sub": None},
    "a subject of control characters": {"sub": "a\nb"},
    "another access token's hash": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
}


@pytest.mark.parametrize("claims", WRONG_TOKENS.values(), ids=WRONG_TOKENS)
def test_id_token_with_wrong_claims_is_refused(
    browser: FlaskClient, provider: OidcProvider, claims: dict[str, Any]
) -> None:
    provider.claims = claims

    refused(browser, provider)


def test_id_token_signed_by_another_key_or_algorithm_is_refused(browser: FlaskClient, provider: OidcProvider) -> None:
    good = provider.key
    provider.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    refused(browser, provider)
    provider.key, provider.kid = good, "unknown"
    refused(browser, provider)
    for algorithm, key in (("HS256", CLIENT_SECRET.ljust(32, "x")), ("none", None), ("RS512", good)):
        provider.algorithm, provider.key, provider.kid = algorithm, key, "k1"
        refused(browser, provider)
    for answer in ("nonsense", "a.b.c", None, 5):
        provider.response = {"id_token": answer}
        refused(browser, provider)


def test_reply_to_another_sign_in_answers_401(browser: FlaskClient, provider: OidcProvider) -> None:
    reply = provider.approve(leave_for(browser))

    def status_with(wrong: dict[str, str]) -> int:
        leave_for(browser)
        return come_back(browser, {**reply, **wrong}).status_code

    wrong = ({"state": "another"}, {"iss": "https://evil.example"}, {"error": "access_denied"}, {"code": ""})
    assert [status_with(each) for each in wrong] == [401] * 4
    reply = provider.approve(leave_for(browser))
    del reply["iss"]  # the provider says that it always sends it
    assert come_back(browser, reply).status_code == 401
    assert "/token" not in provider.asked
    assert browser.get(HOME).status_code == 401


def test_reply_of_the_provider_signs_in_once(browser: FlaskClient, provider: OidcProvider, lines: Lines) -> None:
    reply = provider.approve(leave_for(browser))
    cookie = browser.get_cookie("ops-sign-in")
    assert cookie is not None
    assert come_back(browser, reply).status_code == 303
    assert browser.get_cookie("ops-sign-in") is None

    thief = browser.application.test_client()
    assert come_back(thief, reply).status_code == 401
    thief.set_cookie("ops-sign-in", cookie.value)
    assert come_back(thief, reply).status_code == 401
    assert thief.get(HOME).status_code == 401


@pytest.mark.parametrize("scope", ["openid", "openid payments:service payments:charge", None, ["payments:operate2"]])
def test_person_without_the_permission_gets_a_readable_403(
    browser: FlaskClient, provider: OidcProvider, scope: object
) -> None:
    provider.response = {"scope": scope}
    html = refused(browser, provider, 403)
    assert "payments:operate" in html
    assert "<h1>" in html


@pytest.mark.parametrize(
    ("claim", "value", "claims", "status"),
    [
        ("roles", "payment-operator", {"roles": ["user", "payment-operator"]}, 303),
        ("realm_access.roles", None, {"realm_access": {"roles": ["payments:operate"]}}, 303),
        ("https://pay.example/role", "chief", {"https://pay.example/role": "chief"}, 303),
        ("department", "Payment Operations", {"department": "Payment Operations"}, 303),
        ("roles", "payment-operator", {"roles": ["user"]}, 403),
        ("roles", "payment-operator", {}, 403),
        ("realm_access.roles", None, {"realm_access": "payments:operate"}, 403),
    ],
)
def test_permission_is_read_from_the_claim_of_the_settings(
    make_app: MakeApp, provider: OidcProvider, claim: str, value: str | None, claims: dict[str, Any], status: int
) -> None:
    browser = make_app(**provider.settings, ops_oidc_claim=claim, ops_oidc_value=value).test_client()
    provider.claims = claims

    assert sign_in_at(browser, provider).status_code == status


def test_setting_disables_sign_in_by_a_pasted_token(make_app: MakeApp, provider: OidcProvider) -> None:
    browser = make_app(**provider.settings, ops_token_sign_in=False).test_client()

    assert 'name="token"' not in browser.get("/ops/login").text
    answer = sign_in(browser)
    assert (answer.status_code, "Tokens are not taken here" in answer.text) == (403, True)
    assert browser.get(HOME).status_code == 401
    assert sign_in_at(browser, provider).status_code == 303


@pytest.mark.parametrize("then", ["https://evil.example/ops", "//evil.example", "/payments", "/ops/login/callback", ""])
def test_sign_in_at_the_provider_redirects_only_to_own_pages(
    browser: FlaskClient, provider: OidcProvider, then: str
) -> None:
    assert sign_in_at(browser, provider, then=then).headers["Location"] == HOME


def test_changed_cookie_redirects_only_to_own_pages(browser: FlaskClient, provider: OidcProvider) -> None:
    reply = provider.approve(leave_for(browser))
    cookie = browser.get_cookie("ops-sign-in")
    assert cookie is not None
    browser.set_cookie("ops-sign-in", cookie.value.removesuffix("/ops") + "//evil.example/ops")

    assert come_back(browser, reply).headers["Location"] == HOME


def test_paths_of_the_provider_answer_401_without_one(client: FlaskClient) -> None:
    assert client.get("/ops/login/provider").status_code == 401
    assert client.get(CALLBACK, query_string={"code": "c", "state": "s"}).status_code == 401


def test_sign_in_and_refusal_are_logged_without_token_or_code(
    make_app: MakeApp, provider: OidcProvider, lines: Lines
) -> None:
    browser = make_app(**provider.settings, log_level="INFO").test_client()
    reply = provider.approve(leave_for(browser), code="the-secret-code")
    come_back(browser, reply)
    provider.response = {"scope": "openid"}
    sign_in_at(browser.application.test_client(), provider)
    come_back(browser, {**reply, "state": "wrong"})
    pasted = token("mallory", scope="payments:service")
    sign_in(browser, pasted)
    logged = lines()

    (signed_in,) = [line for line in logged if line["event"] == "ops.signed_in"]
    assert (signed_in["actor"], signed_in["way"], signed_in["address"]) == ("maria", "PROVIDER", "127.0.0.1")
    said = [(line["reason"], line["subject"]) for line in logged if line["event"] == "auth.refused"]
    assert said == [("scope_missing", "maria"), ("no_sign_in_under_way", None), ("scope_missing", "mallory")]
    text = str(logged)
    assert not any(secret in text for secret in (pasted, "the-secret-code", CLIENT_SECRET, reply["state"]))


def test_pasted_token_with_the_scope_still_signs_in(browser: FlaskClient) -> None:
    assert sign_in(browser, token("maria", scope=SCOPE)).status_code == 303
