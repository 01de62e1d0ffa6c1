from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask.testing import FlaskClient

from tests.support.auth_app import answer, app_with
from tests.support.issuer import SECRET, claims, forged, jwk, pem, signed, token

RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def client() -> FlaskClient:
    return app_with(jwt_secret_key=SECRET)


def test_valid_token_names_its_caller(client: FlaskClient) -> None:
    response = client.get("/closed", headers={"Authorization": f"Bearer {token(scope='a payments:service')}"})
    assert response.json == {
        "subject": "user-1",
        "email": "u@example.com",
        "is_verified": True,
        "scopes": ["payments:service"],
        "is_service": True,
        "alias_of": None,
    }


def test_request_without_a_token_reaches_only_open_paths(client: FlaskClient) -> None:
    assert client.get("/open").json["subject"] == ""  # type: ignore[index]
    response = client.get("/closed")
    assert response.status_code == 401
    assert response.json == {"code": "TOKEN_MISSING", "message": "Authorization token is missing"}


def test_preflight_without_a_token_is_answered(client: FlaskClient) -> None:
    assert client.options("/closed").status_code == 200


def test_bad_token_is_refused_even_where_none_is_needed(client: FlaskClient) -> None:
    assert answer(client, token(exp=1), "/open") == "TOKEN_INVALID"
    assert answer(client, token(), "/open") == "user-1"


@pytest.mark.parametrize("header", ["", "Basic dTpw", "Token x", "bearer x.y.z", "x.y.z", " Bearer"])
def test_other_authorization_scheme_is_refused(client: FlaskClient, header: str) -> None:
    response = client.get("/closed", headers={"Authorization": header})
    assert (response.status_code, response.json["code"]) == (401, "TOKEN_MISSING")  # type: ignore[index]


def test_authorization_header_with_no_or_several_tokens_is_refused(client: FlaskClient) -> None:
    good = token()
    headers = (f"Bearer {good}, Bearer {good}", f"Bearer {good},{good}", f"Bearer {good} {good}", "Bearer", "Bearer ")
    answers = [client.get("/closed", headers={"Authorization": header}) for header in headers]
    assert [answer.get_json()["code"] for answer in answers] == ["TOKEN_INVALID"] * 5


def test_token_in_a_cookie_a_query_or_a_body_is_ignored(client: FlaskClient) -> None:
    good = token()
    client.set_cookie("access_token_cookie", good)
    elsewhere = client.post(f"/closed?jwt={good}&access_token={good}", json={"access_token": good})
    assert elsewhere.get_json()["code"] == "TOKEN_MISSING"


@pytest.mark.parametrize(
    "spelling", ["none", "None", "NONE", "nOnE", "", "null", "HS256 ", "hs256", None, 0, [], {}, True], ids=repr
)
@pytest.mark.parametrize("has_signature", [True, False])
def test_token_with_algorithm_none_in_any_spelling_is_refused(
    client: FlaskClient, spelling: Any, has_signature: bool
) -> None:
    signature = jwt.utils.base64url_decode(token().split(".")[2]) if has_signature else b""
    assert answer(client, forged({"alg": spelling, "typ": "JWT"}, claims(), signature)) == "TOKEN_INVALID"
    assert answer(client, forged({"typ": "JWT"}, claims(), signature)) == "TOKEN_INVALID"


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_token_with_another_algorithm_of_the_secret_is_refused(client: FlaskClient, algorithm: str) -> None:
    long_secret = SECRET * 2
    assert answer(app_with(jwt_secret_key=long_secret), token(long_secret, algorithm)) == "TOKEN_INVALID"
    assert answer(client, token(SECRET[:-1] + "x")) == "TOKEN_INVALID"


@pytest.mark.parametrize("both", [True, False])
def test_token_signed_with_the_public_key_as_a_secret_is_refused(both: bool) -> None:
    secret = SECRET if both else None
    client = app_with(jwt_secret_key=secret, jwt_public_key=pem(RSA))
    public = RSA.public_key()
    spellings = [
        pem(RSA).encode(),
        pem(RSA).strip().encode(),
        public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        str(jwk(RSA, "1")).encode(),
        b"",
    ]
    forgeries = [signed(claims(), spelling, *more) for spelling in spellings for more in ((), ({"alg": "RS256"},))]
    assert [answer(client, forgery) for forgery in forgeries] == ["TOKEN_INVALID"] * 14
    assert answer(client, token(RSA, "RS256")) == "user-1"
    assert answer(client, token()) == ("user-1" if both else "TOKEN_INVALID")


@pytest.mark.parametrize(
    ("key", "algorithm", "others"),
    [(RSA, "RS256", ("RS384", "RS512", "PS256")), (EC, "ES256", ())],
    ids=["RSA", "EC"],
)
def test_public_key_accepts_only_its_own_algorithm(key: Any, algorithm: str, others: tuple[str, ...]) -> None:
    client = app_with(jwt_public_key=pem(key))
    assert answer(client, token(key, algorithm)) == "user-1"
    assert answer(client, token(OTHER_RSA, "RS256")) == "TOKEN_INVALID"
    assert {other: answer(client, token(key, other)) for other in others} == dict.fromkeys(others, "TOKEN_INVALID")


def test_token_is_refused_when_no_key_is_configured() -> None:
    client = app_with()
    assert [answer(client, token()), answer(client, token(RSA, "RS256"))] == ["TOKEN_INVALID"] * 2


def test_documented_development_secret_works_without_a_warning() -> None:
    padded = b"jwt-secret-key".ljust(32, b"\0")
    with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
        short = token("jwt-secret-key")
    assert short == token(padded)
    assert answer(app_with(jwt_secret_key="jwt-secret-key"), short) == "user-1"


def test_token_with_any_flipped_bit_is_refused(client: FlaskClient) -> None:
    good = token()
    flipped = [  # the last character carries two bits that no decoder looks at
        good[:at] + chr(ord(good[at]) ^ 1 << bit) + good[at + 1 :] for at in range(len(good) - 1) for bit in range(7)
    ]
    printable = [changed for changed in flipped if changed.isprintable()]
    assert [changed for changed in printable if answer(client, changed) == "user-1"] == []


def test_malformed_token_is_refused(client: FlaskClient) -> None:
    good = token()
    head, payload, signature = good.split(".")
    mangled = [
        f"{head}.{payload}.", f"{head}.{payload}", f"{head}..{signature}", f".{payload}.{signature}", "..",
        f"{good}=", f"{good}.x", f"{good}A", good[:-1], good.replace(".", ".."), "a" * 9_000, "a.b.c",
        f"{head}.{payload}.{signature[:-2]}", forged(b"[" * 3_000, b"[" * 3_000), forged(b'{"alg":' * 900, claims()),
        forged({"alg": "HS256"}, b"[" * 9_000), forged(b"\xff", b"\xff"), forged("x", "y"), forged([], []),
        forged(None, None), forged({"alg": "HS256"}, b"9" * 5_000), forged(b'{"alg":"HS256","alg":"none"}', claims()),
        signed(claims(), header={"alg": "HS256", "crit": ["x"], "x": 1}),
        signed(claims(), header={"alg": "HS256", "b64": False}),
        signed([]), signed("x"), signed(None), signed(b"9" * 5_000), signed(b"[" * 20_000), signed(b"\xff"),
    ]  # fmt: skip
    assert {text: answer(client, text) for text in mangled} == dict.fromkeys(mangled, "TOKEN_INVALID")
