"""Only people with the scope see the operations pages, by a session that the database keeps."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.models import operator_sessions
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp
from tests.support.database import rows
from tests.support.operators import HOME, SCOPE, page, sign_in, signed_in
from tests.support.tokens import bearer, service, token

PAGES = ("/ops", "/ops/search", "/ops/payments/1", "/ops/deliveries")
REFUSED = {
    "no token": ("", 422, "Paste a token first"),
    "nonsense": ("nonsense", 401, "Invalid or expired token"),
    "expired": (token("maria", scope=SCOPE, expires_in=-120), 401, "Invalid or expired token"),
    "another secret": (
        token("maria", scope=SCOPE, secret="another-secret-of-32-bytes-or-more"),
        401,
        "Invalid or expired token",
    ),
    "no subject": (token(None, scope=SCOPE), 401, "User not found in token"),
    "no scope": (token("maria"), 403, "do not have the scope payments:operate"),
    "another scope": (token("maria", scope="payments:read payments:operates"), 403, "do not have the scope"),
    "a service's scope": (token("maria", scope="payments:service"), 403, "do not have the scope"),
    "only a channel's scope": (token("maria", scope="payments:operate:trips"), 403, "do not have the scope"),
}


def test_page_without_a_session_asks_for_a_token_and_leads_back(client: FlaskClient) -> None:
    asked = {path: client.get(f"{path}?q=4711") for path in PAGES}
    assert {path: answer.status_code for path, answer in asked.items()} == dict.fromkeys(PAGES, 401)
    assert [path for path, answer in asked.items() if 'name="token"' not in answer.text] == []
    assert [path for path, answer in asked.items() if f'name="then" value="{path}?q=4711"' not in answer.text] == []
    led = sign_in(client, then="/ops/search?q=4711")
    assert (led.status_code, led.headers["Location"]) == (303, "/ops/search?q=4711")
    assert [client.get(path).status_code for path in PAGES] == [200, 200, 404, 200]


@pytest.mark.parametrize(("pasted", "status", "said"), REFUSED.values(), ids=REFUSED)
def test_sign_in_with_a_bad_token_is_refused_and_stores_nothing(
    client: FlaskClient, pasted: str, status: int, said: str
) -> None:
    answer = sign_in(client, pasted)

    assert (answer.status_code, "Set-Cookie" in answer.headers) == (status, False)
    assert said in answer.text
    assert not pasted or pasted not in answer.text
    assert client.get(HOME).status_code == 401


def test_token_pasted_with_blanks_or_bearer_signs_in(client: FlaskClient) -> None:
    assert sign_in(client, f"  Bearer {token('maria', scope=SCOPE)}\n").status_code == 303
    assert "maria" in page(client)


@pytest.mark.parametrize(
    ("environment", "base_url", "name"),
    [
        ("development", "http://127.0.0.1:8082", "ops"),
        ("development", "https://pay.example", "__Host-ops"),
        ("production", "http://127.0.0.1:8082", "__Host-ops"),
    ],
)
def test_cookie_names_a_session_and_has_its_attributes(
    make_app: MakeApp, environment: str, base_url: str, name: str
) -> None:
    client = make_app(environment=environment).test_client()
    good = token("maria", scope=SCOPE, claim="x" * 3000)
    answer = client.post("/ops/login", data={"token": good}, base_url=base_url)

    value, *attributes = re.split("; ", answer.headers["Set-Cookie"])
    assert re.fullmatch(f"{name}=[0-9a-f]{{64}}", value)
    secure = ["Secure"] if name.startswith("__Host-") else []
    assert set(attributes) == {"HttpOnly", "Path=/", "SameSite=Lax", *secure}


def test_page_opens_only_with_the_cookie_of_a_session(make_app: MakeApp) -> None:
    client = signed_in(make_app())
    good = client.get_cookie("ops")
    assert good is not None

    def status_with(cookie: str) -> int:
        client.set_cookie("ops", cookie)
        return client.get(HOME).status_code

    bad = (token("maria", scope=SCOPE), "nonsense", good.value.upper(), good.value[:-1], "é", "0" * 64, "")
    assert {cookie: status_with(cookie) for cookie in bad} == dict.fromkeys(bad, 401)
    assert client.get("/ops").headers.getlist("Set-Cookie") == []
    elsewhere = make_app().test_client()  # another instance, that never saw the sign-in
    elsewhere.set_cookie("ops", good.value)
    assert elsewhere.get(HOME).status_code == 200


def test_database_has_only_the_hash_of_the_cookie(app: Flask, deps: Dependencies) -> None:
    client = signed_in(app)
    cookie = client.get_cookie("ops")
    assert cookie is not None
    (session,) = rows(deps, operator_sessions)
    assert cookie.value not in str(session)
    client.set_cookie("ops", session["session_hash"])
    assert client.get(HOME).status_code == 401


def test_pages_accept_only_cookies_and_the_api_only_headers(make_app: MakeApp) -> None:
    app = make_app(auth_open_channels=frozenset())
    assert app.test_client().get(HOME, headers=service()).status_code == 401

    client = app.test_client()
    assert sign_in(client).status_code == 303
    assert client.get(HOME).status_code == 200
    assert client.get("/payments").status_code == 401
    assert client.get("/payments", headers=bearer()).status_code == 200


@pytest.mark.parametrize(
    "then",
    [
        "https://evil.example/ops",
        "//evil.example/ops",
        "/\\evil.example",
        "/ops\\@evil.example",
        "/ops/../payments",
        "/opsx",
        "/payments",
        "/ops/login",
        "/ops/logout",
        "javascript:alert(1)",
        "\x00",
        "",
    ],
)
def test_sign_in_redirects_only_to_own_pages(client: FlaskClient, then: str) -> None:
    assert sign_in(client, then=then).headers["Location"] == HOME


def test_login_from_another_site_answers_403(client: FlaskClient) -> None:
    form = {"token": token("mallory", scope=SCOPE)}
    origins = ("https://evil.example", "null", "http://localhost.evil.example")
    answers = [client.post("/ops/login", data=form, headers={"Origin": origin}) for origin in origins]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert client.get(HOME).status_code == 401
    assert client.post("/ops/login", data=form, headers={"Origin": "http://localhost"}).status_code == 303


def test_every_page_has_its_policy_and_is_never_cached(app: Flask) -> None:
    client = signed_in(app)
    answers = [client.get(path) for path in (*PAGES, "/ops/login", "/ops/nothing")]
    answers += [app.test_client().get(HOME), client.post("/ops/logout"), client.put(HOME), sign_in(client)]
    policies = [answer.headers["Content-Security-Policy"].split(";") for answer in answers]
    policy = {
        "default-src": "'none'", "base-uri": "'none'", "form-action": "'self'", "frame-ancestors": "'none'",
        "style-src": "'self'", "img-src": "'self' data:",
    }  # fmt: skip
    assert {answer.status_code for answer in answers} == {200, 303, 401, 403, 404, 405}
    assert [dict(rule.strip().split(" ", 1) for rule in each) for each in policies] == [policy] * len(answers)
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}
    assert {answer.headers["Referrer-Policy"] for answer in answers} == {"same-origin"}
    assert {answer.mimetype for answer in answers} == {"text/html"}
    assert [answer.text for answer in answers if "<script" in answer.text or " style=" in answer.text] == []


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/ops/payments/999", 404, "Payment not found"),
        ("/ops/payments/x", 404, "Payment not found"),
        ("/ops/payments/99999999999999999999", 404, "Payment not found"),
        ("/ops/nothing/here", 404, "Not found"),
        ("/ops/search?before=x", 422, "must be a whole number"),
        ("/ops/search?q=4111111111111111", 422, "Card numbers are not accepted"),
    ],
)
def test_error_below_ops_is_a_page(app: Flask, path: str, status: int, message: str) -> None:
    answer = signed_in(app).get(path)
    assert (answer.status_code, message in answer.text) == (status, True), answer.text
    assert "<h1>" in answer.text


def test_error_beside_ops_is_json(app: Flask) -> None:
    assert signed_in(app).get("/opsx").get_json()["code"] == "not_found"


def test_page_without_a_database_shows_the_error(make_app: MakeApp) -> None:
    client = make_app(database_url="postgresql+psycopg2://nobody@127.0.0.1:1/nothing").test_client()
    client.set_cookie("ops", "0" * 64)
    answer = client.get(HOME)

    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert "The database cannot be reached" in answer.text
    assert answer.headers["X-Request-ID"] in answer.text
