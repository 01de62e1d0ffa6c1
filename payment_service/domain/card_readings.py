"""The readings of a text that the search for card numbers looks at: in ASCII, as it stands and without its escapes."""

import re
import sys
import unicodedata
from collections.abc import Iterator

_ESCAPE = re.compile("((?:%[0-9A-Fa-f]{2})+|&#(?:0*+[0-9]{1,7}|[xX]0*+[0-9A-Fa-f]{1,6});?)")


def readings(text: str) -> Iterator[str]:
    """Yield the text in ASCII, as it stands and without its escapes."""
    yield (plain := _ascii(text))
    if "%" in plain or "&#" in plain:
        parts = _ESCAPE.split(plain)
        meant = {escape: _meant(escape) for escape in set(parts[1::2])}
        parts[1::2] = map(meant.__getitem__, parts[1::2])
        yield _ascii("".join(parts))


def _meant(escape: str) -> str:
    """Return what percent escapes, or a numeric escape of HTML, stand for."""
    if escape[0] == "%":
        return bytes.fromhex(escape.replace("%", "")).decode(errors="replace")
    number = escape[2:].rstrip(";")
    code = int(number[1:], 16) if number[0] in "xX" else int(number)
    return chr(code) if code <= sys.maxunicode else ""


def _ascii(text: str) -> str:
    """Return the text in ASCII: invisible characters gone, any script's digits as 0-9, letters as x, the rest blank."""
    if text.isascii():
        return text
    return text.translate({ord(char): _plain(char) for char in set(text)})  # also ASCII: a miss takes longer


def _plain(char: str) -> str:
    if char <= "\x7f":
        return char
    if char.isalpha():
        return "x"
    digit = unicodedata.digit(char, None)
    if digit is not None:
        return str(digit)
    category = unicodedata.category(char)
    if category in {"Cf", "Mn", "Me"}:
        return ""
    return "x" if category[0] in "LN" else "-" if category == "Pd" else " "
