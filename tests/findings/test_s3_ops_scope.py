"""S3, the operations pages: the scope of any service opened them."""

import pytest
from flask import Flask

from tests.support.operators import HOME, sign_in
from tests.support.tokens import token


@pytest.mark.parametrize("scope", ["payments:service", "payments:charge payments:refund payments:read", ""])
def test_s3_token_without_the_scope_of_operators_opens_no_page(app: Flask, scope: str) -> None:
    """Failed on 1.0.0: `payments:service` opened the pages."""
    client = app.test_client()

    answer = sign_in(client, token("trip-service", scope=scope))

    assert answer.status_code == 403
    assert "payments:operate" in answer.text
    assert client.get(HOME).status_code == 401


def test_s3_scope_of_operators_opens_the_pages(app: Flask) -> None:
    """Failed on 1.0.0: `payments:operate` did not exist."""
    client = app.test_client()

    assert sign_in(client, token("maria", scope="payments:operate")).status_code == 303
    assert client.get(HOME).status_code == 200
