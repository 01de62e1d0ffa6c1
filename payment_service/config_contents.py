"""Parsers of environment variables that judge a text's content: keys, secrets, failpoints.

They raise ValidationError as those of `config_fields` do, and never name the value.
"""

import base64
import binascii
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from marshmallow import ValidationError

from payment_service import failpoints
from payment_service.config_fields import choice, real, split

SecondsByWord = tuple[tuple[str, float], ...]

_SHORTEST_RSA_KEY = 2048  # bits; RFC 7518 §3.3

# HS256 needs a key as long as its digest (RFC 7518 §3.2); the same floor serves every secret.
_MINIMUM_SECRET_BYTES = 32
# Length is not enough: templates and tutorials publish long secrets.
_PLACEHOLDERS = (
    "change-me", "changeme", "change_me", "replace", "example", "placeholder", "insecure", "secret-key", "secretkey",
    "password", "passw0rd", "passwort", "letmein", "qwerty", "welcome", "administrator", "12345678", "abcdefgh",
)  # fmt: skip
_COMMON = ("postgres", "guest", "admin", "root", "payments", "secret", "test", "kafka", "rabbitmq")
_FEWEST_DIFFERENT_BYTES = 10
_FEWEST_STEPS = 8

# Standard Webhooks asks for a key behind whsec_ of so many bytes.
_MINIMUM_KEY_BYTES = 24
_BASE64 = "whsec_"

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,16}")
PLAIN = "plain"
"""The key id in hashes that no key protects, the same as in `domain/chain.py`."""


def webhook_secrets(text: str) -> str:
    """Parse secrets for signatures, separated by commas. One that begins with `whsec_` is base64 behind that."""
    parts = split(text)
    try:
        keys = [base64.b64decode(part[6:], validate=True) if part.startswith(_BASE64) else part for part in parts]
    except binascii.Error as error:
        raise ValidationError("must have base64 after whsec_.") from error
    if not keys or not all(keys):
        raise ValidationError("must be a secret, or several separated by commas.")
    return text


def public_key(text: str) -> str:
    """Parse a PEM public key (RSA of at least 2048 bits, or EC on P-256); a backslash and n may stand for a newline."""
    pem = text.replace("\\n", "\n").strip() + "\n"
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, TypeError) as error:
        raise ValidationError("must be a PEM public key.") from error
    strong_rsa = isinstance(key, rsa.RSAPublicKey) and key.key_size >= _SHORTEST_RSA_KEY
    if not strong_rsa and not (isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1"):
        raise ValidationError("must be an RSA key of at least 2048 bits or an EC key on P-256.")
    return pem


def journal_keys(text: str) -> tuple[tuple[str, str], ...]:
    """Parse keys of the journal as id:secret, separated by commas; the first signs."""
    pairs = [part.partition(":") for part in split(text)]
    keys = tuple((name.strip(), secret.strip()) for name, _, secret in pairs)
    if not keys or not all(_KEY_ID.fullmatch(name) and secret for name, secret in keys):
        raise ValidationError("must be id:secret, or several separated by commas; an id has letters, digits, - and _.")
    if len(dict(keys)) < len(keys) or PLAIN in dict(keys):
        raise ValidationError(f"must not have an id twice, and none is {PLAIN!r}.")
    return keys


def signing_key(text: str) -> str:
    """Parse a PEM private key for Ed25519 without a passphrase; a backslash and n may stand for a newline."""
    pem = text.replace("\\n", "\n").strip() + "\n"
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError) as error:
        raise ValidationError("must be a PEM private key without a passphrase.") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ValidationError("must be a key for Ed25519.")
    return pem


def secret_problem(secret: str) -> str | None:
    """Return why a text is no secret for production, None if it may be one."""
    key, minimum = secret.encode(), _MINIMUM_SECRET_BYTES
    if secret.startswith(_BASE64):
        key, minimum = _behind_base64(secret), _MINIMUM_KEY_BYTES
    if len(key) < minimum:
        return f"a secret of at least {minimum} bytes is needed in production."
    if is_placeholder(secret) or _is_regular(key):
        return "a placeholder is no secret: make a random one for production."
    return None


def _behind_base64(secret: str) -> bytes:
    """Return the key of a secret that begins with `whsec_`. Stripe's own secrets do so too, and are no base64."""
    text = secret.removeprefix(_BASE64)
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return text.encode()


def is_placeholder(secret: str) -> bool:
    """Return whether a text is, or contains, a secret that templates and tutorials publish."""
    lower = secret.lower()
    return lower in _COMMON or any(part in lower for part in _PLACEHOLDERS)


def _is_regular(key: bytes) -> bool:
    """Return whether a key has few different bytes, counts upwards or downwards, or repeats a part of itself."""
    steps = {after - before for before, after in pairwise(key)}
    repeats = key in (key + key)[1:-1]
    return len(set(key)) < _FEWEST_DIFFERENT_BYTES or len(steps) < _FEWEST_STEPS or repeats


def header_value(text: str) -> str:
    """Parse a text that may stand in an HTTP header: visible ASCII."""
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValidationError("must be visible ASCII characters without a blank.")
    return text


def readable_file(text: str) -> str:
    """Parse the path of a file that this process may read."""
    try:
        Path(text).open("rb").close()
    except OSError as error:
        raise ValidationError("must be a file that can be read.") from error
    return text


def seconds_of(*words: str) -> Callable[[str], SecondsByWord]:
    """Return a parser for seconds, with exceptions for some of `words`: `86400,orders=3600`; "" stands for the rest."""
    parse, seconds = choice(*words), real(0, 366 * 86400)

    def parser(text: str) -> SecondsByWord:
        pairs = [part.rpartition("=") for part in split(text)]
        values = [(parse(word) if equals else "", seconds(number)) for word, equals, number in pairs]
        if "" not in dict(values) or len(dict(values)) < len(values):
            raise ValidationError("must be seconds for all, and then for some of them, such as 86400,orders=3600.")
        return tuple(values)

    return parser


def armed_failpoints(text: str) -> str:
    """Parse failpoints and their actions, as `failpoints.parse` reads them."""
    try:
        failpoints.parse(text)
    except ValueError as error:
        raise ValidationError("must be points and actions such as claim.after_commit=kill.") from error
    return text
