import pytest
from flask.testing import FlaskClient

from tests.conftest import MakeApp
from tests.support.callers import pay_bill

SHOP = "https://shop.example.com"
OTHERS = (
    "null", "https://evil.example", "https://shop.example.com.evil.example", "https://evil-shop.example.com",
    "http://shop.example.com", "https://shop.example.com:444", "https://shopxexample.com", "https://shop.example.com/",
)  # fmt: skip


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    """Return a caller of a service that a shop's pages may call."""
    return make_app(cors_origins=(SHOP, "https://bank.example.com")).test_client()


def test_named_origin_may_read_answers(client: FlaskClient) -> None:
    answer = pay_bill(client, headers={"Origin": SHOP})
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Idempotent-Replayed" in answer.headers["Access-Control-Expose-Headers"]


def test_preflight_allows_the_headers_of_callers(client: FlaskClient) -> None:
    wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "idempotency-key,content-type"}
    answer = client.options("/v1/payments", headers={"Origin": SHOP, **wanted})
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    allowed = answer.headers["Access-Control-Allow-Headers"].lower()
    assert "idempotency-key" in allowed
    assert "content-type" in allowed


def test_foreign_origin_gets_no_permission_to_read(client: FlaskClient) -> None:
    answers = [
        client.open("/payments", method=method, headers={"Origin": origin})
        for origin in OTHERS
        for method in ("GET", "OPTIONS")
    ]
    assert [answer for answer in answers if "Access-Control-Allow-Origin" in answer.headers] == []


def test_request_without_an_origin_gets_no_cors_headers(client: FlaskClient) -> None:
    assert "Access-Control-Allow-Origin" not in client.get("/payments").headers


def test_origin_gets_no_permission_without_the_setting(make_app: MakeApp) -> None:
    answer = make_app().test_client().get("/payments", headers={"Origin": SHOP})
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


def test_every_origin_may_read_when_the_setting_is_a_star(make_app: MakeApp) -> None:
    answer = make_app(cors_origins=("*",)).test_client().get("/payments", headers={"Origin": "https://any.example"})
    assert answer.headers["Access-Control-Allow-Origin"] in {"*", "https://any.example"}
    assert "Access-Control-Allow-Credentials" not in answer.headers
