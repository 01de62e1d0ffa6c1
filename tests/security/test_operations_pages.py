"""The login of the operations pages is safe against hostile addresses from people who are not signed in."""

import pytest
from flask.testing import FlaskClient

from tests.support.tokens import bearer, token

OPERATOR = token("ops-ann", scope="payments:operate")


@pytest.mark.parametrize("then", ["http://[", "//[", "https://evil.example/ops", "/ops?a=\r\nSet-Cookie: a=b", "\x00"])
def test_a_login_leads_nowhere_else_whatever_address_it_is_given(client: FlaskClient, then: str) -> None:
    answer = client.post("/ops/login", data={"token": OPERATOR, "then": then})

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/ops")
    assert not set("\r\n[") & set(answer.headers["Location"])


def test_a_login_from_an_address_that_is_none_is_refused(client: FlaskClient) -> None:
    answer = client.post("/ops/login", data={"token": OPERATOR}, headers={"Origin": "http://["})

    assert answer.status_code == 403


def test_a_card_number_in_an_address_is_not_shown_by_the_login(client: FlaskClient) -> None:
    answer = client.get("/ops/search?q=4111%201111%201111%201111", headers=bearer())

    assert answer.status_code == 401
    assert "1111" not in answer.text
