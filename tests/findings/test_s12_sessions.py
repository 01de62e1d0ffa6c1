"""S12: an operator's cookie outlived the sign-out, tokens lasted until 9999, and long tokens broke the proxy."""

import re
import threading
from contextlib import closing
from datetime import timedelta

import pytest
import requests
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from payment_service import clock
from tests.conftest import MakeApp
from tests.support.nginx import Nginx
from tests.support.operators import HOME, SCOPE, form_token, sign_in, signed_in
from tests.support.tokens import token

END_OF_9999 = 253_402_300_000


def test_s12_copy_of_the_cookie_is_refused_after_the_sign_out(app: Flask) -> None:
    """Failed on 1.0.0: the cookie was the token, and worked until the token ended."""
    client, copy = signed_in(app), app.test_client()
    for cookie in client._cookies.values() if client._cookies else ():
        copy.set_cookie(cookie.key, cookie.value, path=cookie.path)
    assert copy.get(HOME).status_code == 200

    client.post("/ops/logout", data={"form_token": form_token(client)})

    assert copy.get(HOME).status_code == 401


def test_s12_token_until_the_year_9999_opens_for_8_hours(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed on 1.0.0: the session lasted as long as the token."""
    client = app.test_client()
    now = clock.now()
    assert sign_in(client, token("maria", scope=SCOPE, exp=END_OF_9999)).status_code == 303
    assert client.get(HOME).status_code == 200

    monkeypatch.setattr(clock, "now", lambda: now + timedelta(hours=8, minutes=1))

    assert client.get(HOME).status_code == 401


def test_s12_cookie_has_the_host_prefix_in_production(make_app: MakeApp) -> None:
    """Failed on 1.0.0: the cookie was called `ops_token`."""
    client = make_app(environment="production").test_client()

    answer = client.post("/ops/login", data={"token": token("maria", scope=SCOPE)}, base_url="https://pay.example")

    (cookie,) = answer.headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-ops=")
    assert {"Secure", "HttpOnly", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


def test_s12_long_token_makes_a_short_cookie(app: Flask) -> None:
    """Failed on 1.0.0: a token of 3,700 characters was a header that the proxy refused with 502."""
    answer = sign_in(app.test_client(), token("maria", scope=SCOPE, groups=["x" * 100] * 50))

    assert answer.status_code == 303
    assert len(str(answer.headers)) < 1500
    assert re.search("ops=[0-9a-f]{64};", answer.headers["Set-Cookie"])


class Quiet(WSGIRequestHandler):
    """It writes no lines of its own."""

    def log(self, *_: object, **__: object) -> None:
        """Say nothing."""


def test_s12_token_of_3700_characters_signs_in_through_the_proxy(app: Flask) -> None:
    """Failed on 1.0.0: the proxy answered 502, because the response's head did not fit its buffer."""
    good = token("maria", scope=SCOPE, groups="x" * 2600)
    assert 3600 < len(good) < 3800
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with closing(Nginx(f"127.0.0.1:{server.server_port}")) as nginx, requests.Session() as browser:
            nginx.start()
            pages = f"http://127.0.0.1:{nginx.port}/ops"
            led = browser.post(f"{pages}/login", data={"token": good}, allow_redirects=False, timeout=20)
            assert led.status_code == 303
            assert browser.get(pages, timeout=20).status_code == 200
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
