"""An operation is one money movement of a payment; the gateway knows each by its own gateway key."""

import hashlib
from enum import StrEnum

from payment_service.domain.cards import contains_card_number


class Kind(StrEnum):
    """What an operation asks the gateway to do."""

    CHARGE = "charge"
    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


class OperationStatus(StrEnum):
    """What the gateway has said about an operation; PENDING includes *unknown*, which is never FAILED."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


def gateway_key(channel: str, subject: str, key_hash: str, kind: Kind) -> str:
    """Derive the key *we* send to the gateway: the same for every resend of one operation, shared by no two.

    Derived and not random, so that a claim lost with a restored backup still finds its old charge when the client
    repeats its key. Every part carries its length: no two different quadruples give the same text.
    """
    what = kind.value
    text = f"{len(channel)}:{channel}|{len(subject)}:{subject}|{len(key_hash)}:{key_hash}|{len(what)}:{what}"
    return "v1-" + hashlib.sha256(text.encode()).hexdigest()[:48]


def derived_digits(gateway_key: str, purpose: str, digits: int) -> str:
    """Up to 48 hexadecimal digits for an id of what this gateway key did: however often it is finished, the same.

    The first of the digest that cannot be taken for a card number, which callers could not send back.
    """
    digest = hashlib.sha256(f"{purpose}:{gateway_key}".encode()).hexdigest()
    windows = [digest[start : start + digits] for start in range(len(digest) - digits + 1)]
    return next((each for each in windows if not contains_card_number(each)), windows[0])
