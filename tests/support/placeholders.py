"""Replace ids, times and numbers in a text with numbered placeholders, so that the texts of two runs compare equal.

`"payment_id":7` becomes `"payment_id":<payment 1>`, and every later 7 that names this payment becomes `<payment 1>`,
too. Two runs compare equal exactly when they differ in these values alone: values that are equal within one run, in one
answer or in two, must be equal in the other run.
"""

import re
from collections import defaultdict
from collections.abc import Iterable

_NUMBERS = {
    "payment": r'(?<="payment_id":)\d+|(?<=/payments/)\d+(?![\w-])|(?<="id":)\d+'
    r"|(?<=Payment )\d+(?= not found)|(?<=\?q=)\d+",
    "refund": r'(?<="refund_id":)\d+',
    "log": r'(?<="transaction_log_id":)\d+',
}
_TEXTS = {
    "uuid": r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
    "moment": r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\b",
    "transaction": r"\btxn_[0-9a-f]{16}\b|\bTXN-[0-9A-F]{12}\b|\bTXN\d{10}\b",
    "intent": r"\bpi_[0-9a-f]{24}\b",
    "refund_text": r"\bre_[0-9a-f]{16}\b",
    "reference": r"\bREF[0-9A-Z]{12}\b",
    "authorization": r'(?<="authorization_code":")[0-9A-Z]{6}(?=")',
    "cursor": r'(?<="next_cursor":")[\w-]+(?=")|(?<="before":")[\w-]+(?=")|(?<=cursor=)[\w-]+',
    "form": r'(?<=name="form_token" value=")[0-9a-f]{64}|(?<=form_token=)[0-9a-f]{64}',
}
_VARYING = {*_NUMBERS, "moment", "cursor"}
"""Kinds that are never constant: two runs may have equal values by chance. A cursor contains a payment's number."""

_DAY = re.compile(r"\bPAY-\d{8}-")
_ANY = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in (_NUMBERS | _TEXTS).items()))
_PLACEHOLDER = re.compile(r"<(\w+) (\d+)>")


class Placeholders:
    """The values of one run by kind, numbered in the order of their first appearance.

    `constants` are texts that every run has in the same place, such as ids derived from a key. They stay readable.
    """

    def __init__(self, constants: Iterable[str] = ()) -> None:
        self.constants = frozenset(constants)
        self._seen: dict[str, dict[str, int]] = defaultdict(dict)

    def hide(self, text: str, *, number_moments: bool = True) -> str:
        """Replace every value in an answer's text; a new value gets the next number of its kind.

        Without `number_moments` every time becomes `<moment>`: which times are equal is not compared.
        """

        def placeholder(found: re.Match[str]) -> str:
            kind, value = found.lastgroup or "", found[0]
            if value in self.constants and kind not in _NUMBERS:
                return value
            if kind == "moment" and not number_moments:
                return "<moment>"
            seen = self._seen[kind]
            return f"<{kind} {seen.setdefault(value, len(seen) + 1)}>"

        return _ANY.sub(placeholder, _DAY.sub("PAY-<day>-", text))

    def hide_known(self, text: str) -> str:
        """Replace in a request's text the values that an earlier answer contained; other values stay."""

        def placeholder(found: re.Match[str]) -> str:
            kind, value = found.lastgroup or "", found[0]
            number = self._seen[kind].get(value)
            return value if number is None else f"<{kind} {number}>"

        return _ANY.sub(placeholder, text)

    def fill(self, text: str) -> str:
        """Fill a request's text with this run's values. Raises AssertionError for an unknown placeholder."""

        def value(found: re.Match[str]) -> str:
            values = self.values(found[1])
            assert int(found[2]) <= len(values), f"no earlier answer contained {found[0]}"
            return values[int(found[2]) - 1]

        return _PLACEHOLDER.sub(value, text)

    def values(self, kind: str) -> list[str]:
        """Return the values of a kind in the order of their numbers."""
        return list(self._seen[kind])

    def candidates(self) -> set[str]:
        """Return every value that may be constant: if another run has it as well, it is."""
        return {value for kind, values in self._seen.items() if kind not in _VARYING for value in values}
