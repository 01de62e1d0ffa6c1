"""Names of fields that may never be stored: a card's security code, its PIN, its magnetic stripe.

Such a value is too short to tell from any other number, so the name decides. In India a PIN code is a postal code, and
a PAN a tax number: both pass.
"""

import re
import unicodedata

_SECURITY_CODE = re.compile("[id]?cv[vcnd][0-9]?|cav[0-9]?|csc|cid2")
_SQUASHED = re.compile(
    "cvv|cvc[0-9]?$|^cvc|cardcvn|(?:card)?(?:security|verification)(?:code|value|number)(?:[0-9]|of)?$|cardcode$"
    "|cardcid$|pinblock|^(?:card|debit|credit|atm|upi|m)?m?pin[0-9]?$|^(?:card|atm|upi)pin|^track[0-9]?(?:data)?$"
    "|^track[0-9]|magneticstripe|magstripe|^stripedata$"
)
_WHOLE_CODES = frozenset({"verificationcode", "verificationnumber", "verificationvalue", "securitynumber"})
"""Without the card in the name, these are codes of other kinds."""
_OUTCOMES = frozenset({"check", "checked", "match", "matched", "present", "provided", "response", "result", "status"})
"""`cvv_result` holds the result of a check, not the code."""
_WORD = re.compile("[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def is_card_secret(name: str) -> bool:
    """Return whether a name says security code, PIN or track data, in any case and with any separators or camelCase."""
    plain = "".join(each for each in unicodedata.normalize("NFKC", name) if unicodedata.category(each) != "Cf")
    words = [word.lower() for word in _WORD.findall(plain)]
    if not _OUTCOMES.isdisjoint(words):
        return False
    squashed = "".join(words)
    if squashed in _WHOLE_CODES:
        return False
    return any(map(_SECURITY_CODE.fullmatch, words)) or _SQUASHED.search(squashed) is not None
