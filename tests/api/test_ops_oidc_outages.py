"""An OpenID provider is away, faulty or slow: the page says so, tokens still open, and one fetch serves all."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from requests.adapters import HTTPAdapter

from tests.conftest import MakeApp, dependencies_of
from tests.support.oidc_provider import OidcProvider, come_back, sign_in_at
from tests.support.operators import sign_in


@pytest.fixture
def provider() -> Iterator[OidcProvider]:
    with OidcProvider() as running:
        yield running


@pytest.mark.parametrize("away", ["discovery", "token", "keys", "error 500", "no JSON", "another issuer's document"])
def test_sign_in_page_shows_an_outage_of_the_provider_and_tokens_still_sign_in(
    make_app: MakeApp, provider: OidcProvider, away: str
) -> None:
    browser = make_app(**provider.settings).test_client()
    if away == "discovery":
        provider.close()
    elif away == "another issuer's document":
        provider.document = {"issuer": "https://evil.example"}
    elif away == "no JSON":
        provider.document = {"token_endpoint": 5}
    elif away == "error 500":
        provider.status = 500
    elif away == "keys":
        provider.document = {"jwks_uri": "http://127.0.0.1:9/jwks"}
    else:
        provider.document = {"token_endpoint": "http://127.0.0.1:9/token"}
    answer = browser.get("/ops/login/provider?then=/ops/search")
    if answer.status_code == 303:
        answer = come_back(browser, provider.approve(answer.headers["Location"]))

    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert "cannot be reached now: try again in a moment, or paste a token" in answer.text
    assert 'name="then" value="/ops/search"' in answer.text or "callback" in answer.request.path
    assert sign_in(browser).status_code == 303
    if away == "discovery":
        return
    provider.document, provider.status = {}, 200
    assert browser.application.test_client().get("/ops/login/provider").status_code == 303


def test_sign_ins_share_one_request_to_a_provider_that_hangs(make_app: MakeApp, provider: OidcProvider) -> None:
    app = make_app(**provider.settings)
    provider.silent.add("/.well-known/openid-configuration")
    answers: list[int] = []
    start = threading.Barrier(6)

    def ask() -> None:
        client = app.test_client()
        start.wait()
        answers.append(client.get("/ops/login/provider").status_code)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [503] * 6
    assert len(provider.asked) == 1


def test_sign_in_holds_no_connection_while_it_waits_for_the_provider(
    make_app: MakeApp, provider: OidcProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(**provider.settings)
    held: list[bool] = []
    send = HTTPAdapter.send

    def spy(self: HTTPAdapter, *values: Any, **named: Any) -> Any:
        held.append(dependencies_of(app).database.in_transaction)
        return send(self, *values, **named)

    monkeypatch.setattr(HTTPAdapter, "send", spy)
    assert sign_in_at(app.test_client(), provider).status_code == 303

    assert held == [False, False, False]  # discovery, code, keys
