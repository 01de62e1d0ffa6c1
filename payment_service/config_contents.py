"""Parsers of environment variables that judge what a text contains: keys, secrets, failpoints.

They raise ValidationError as those of `config_fields` do, and never name the value.
"""

import base64
import binascii

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from marshmallow import ValidationError

from payment_service import failpoints
from payment_service.config_fields import split

_SHORTEST_RSA_KEY = 2048  # bits; RFC 7518 §3.3

# HS256 needs a key as long as its digest (RFC 7518 §3.2); the same floor serves every secret.
_MINIMUM_SECRET_BYTES = 32
# Length is not enough: templates and tutorials publish long secrets.
_PLACEHOLDERS = ("change-me", "changeme", "change_me", "replace", "example", "placeholder", "insecure", "secret-key")
_FEWEST_DIFFERENT_CHARACTERS = 10


def webhook_secrets(text: str) -> str:
    """Secrets for signatures, separated by commas. One that begins with `whsec_` is base64 behind that."""
    parts = split(text)
    try:
        keys = [base64.b64decode(part[6:], validate=True) if part.startswith("whsec_") else part for part in parts]
    except binascii.Error as error:
        raise ValidationError("must have base64 after whsec_.") from error
    if not keys or not all(keys):
        raise ValidationError("must be a secret, or several separated by commas.")
    return text


def public_key(text: str) -> str:
    """A PEM public key (RSA of at least 2048 bits, or EC on P-256); a backslash and n may stand for a line end."""
    pem = text.replace("\\n", "\n").strip() + "\n"
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, TypeError) as error:
        raise ValidationError("must be a PEM public key.") from error
    strong_rsa = isinstance(key, rsa.RSAPublicKey) and key.key_size >= _SHORTEST_RSA_KEY
    if not strong_rsa and not (isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1"):
        raise ValidationError("must be an RSA key of at least 2048 bits or an EC key on P-256.")
    return pem


def secret_problem(secret: str) -> str | None:
    """Why a text is no secret for production, None if it may be one."""
    if len(secret.encode()) < _MINIMUM_SECRET_BYTES:
        return f"a secret of at least {_MINIMUM_SECRET_BYTES} bytes is needed in production."
    if any(part in secret.lower() for part in _PLACEHOLDERS) or len(set(secret)) < _FEWEST_DIFFERENT_CHARACTERS:
        return "a placeholder is no secret: make a random one for production."
    return None


def armed_failpoints(text: str) -> str:
    """Failpoints and what happens there, as `failpoints.parse` reads them."""
    try:
        failpoints.parse(text)
    except ValueError as error:
        raise ValidationError("must be points and actions such as claim.after_commit=kill.") from error
    return text
