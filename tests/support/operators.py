"""Operators in front of the operations pages, with a browser that keeps cookies and sends back what forms carry."""

import re

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.tokens import token

SCOPE = "payments:operate"
HOME = "/ops"


def sign_in(client: FlaskClient, pasted: str | None = None, **fields: str) -> TestResponse:
    """Paste a token (None: maria's, a good one) into the form."""
    good = token("maria", scope=SCOPE)
    return client.post("/ops/login", data={"token": good if pasted is None else pasted, **fields})


def signed_in(app: Flask, subject: str = "maria") -> FlaskClient:
    """Return a browser in which an operator has signed in."""
    client = app.test_client()
    assert sign_in(client, token(subject, scope=SCOPE)).status_code == 303
    return client


def page(client: FlaskClient, path: str = HOME) -> str:
    """Return a page that must be there."""
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code, answer.headers.get("Location"))
    return answer.text


def form_token(client: FlaskClient) -> str:
    """Return the token in this login's forms."""
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', page(client))
    assert found is not None
    return found[1]


def words(html: str) -> str:
    """Return a page's visible text, each run of blanks as one."""
    body = html.partition("<main")[2]
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", body))
