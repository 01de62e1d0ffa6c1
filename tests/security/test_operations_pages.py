"""The login of the operations pages is safe against hostile addresses from people who are not signed in."""

import pytest
from flask.testing import FlaskClient

from tests.support.tokens import bearer, token

OPERATOR = token("ops-ann", scope="payments:operate")


@pytest.mark.parametrize("then", ["http://[", "//[", "https://evil.example/ops", "/ops?a=\r\nSet-Cookie: a=b", "\x00"])
def test_sign_in_redirects_only_to_own_pages_for_any_address(client: FlaskClient, then: str) -> None:
    answer = client.post("/ops/login", data={"token": OPERATOR, "then": then})

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/ops")
    assert not set("\r\n[") & set(answer.headers["Location"])


def test_sign_in_from_an_invalid_origin_is_refused(client: FlaskClient) -> None:
    answer = client.post("/ops/login", data={"token": OPERATOR}, headers={"Origin": "http://["})

    assert answer.status_code == 403


def test_sign_in_page_shows_no_card_number_of_its_address(client: FlaskClient) -> None:
    answer = client.get("/ops/search?q=4111%201111%201111%201111", headers=bearer())

    assert answer.status_code == 401
    assert "1111" not in answer.text
