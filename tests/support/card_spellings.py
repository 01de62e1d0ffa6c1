"""Ways to write a card number, each by its name: a function of the number's digits."""

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

Spelling = Callable[[str], str]
FOURS = (4,)


def grouped(number: str, between: str, *sizes: int) -> str:
    """Return the number in groups of these sizes, the last one as often as needed."""
    parts, rest, left = [], number, list(sizes)
    while rest:
        size = left.pop(0) if len(left) > 1 else left[0]
        parts.append(rest[:size])
        rest = rest[size:]
    return between.join(parts)


def printed(number: str, between: str) -> str:
    """As it stands on the card."""
    sizes = {13: (4, 3), 14: (4, 6, 4), 15: (4, 6, 5)}.get(len(number), FOURS)
    return grouped(number, between, *sizes)


def in_digits(number: str, zero: int) -> str:
    """Return the number in another script's digits, by its zero."""
    return "".join(chr(zero + int(digit)) for digit in number)


def _scientific(number: str) -> str:
    return f"{number[0]}.{number[1:].rstrip('0') or '0'}"


_SEPARATORS = {
    "blank": " ", "two blanks": "  ", "three blanks": "   ", "tab": "\t", "line end": "\n", "dash": "-",
    "spaced dash": " - ", "dot": ".", "underscore": "_", "slash": "/", "spaced slash": " / ", "backslash": "\\",
    "bar": "|", "colon": ":", "comma": ",", "comma and blank": ", ", "semicolon": ";", "star": "*", "plus": "+",
    "tilde": "~", "equals sign": "=", "apostrophe": "'", "hash": "#", "no-break space": "\u00a0",
    "thin space": "\u2009", "figure space": "\u2007", "ideographic space": "\u3000", "hyphen": "\u2010",
    "en dash": "\u2013", "em dash": "\u2014", "minus sign": "\u2212", "middle dot": "\u00b7", "bullet": "\u2022",
    "full-width stop": "\uff0e", "full-width dash": "\uff0d", "fraction slash": "\u2044", "line separator": "\u2028",
}  # fmt: skip
_INVISIBLE = {
    "zero-width space": "\u200b", "zero-width joiner": "\u200d", "word joiner": "\u2060", "soft hyphen": "\u00ad",
    "byte order mark": "\ufeff", "right-to-left mark": "\u200f", "combining line": "\u0332", "keycap": "\ufe0f\u20e3",
}  # fmt: skip
_SCRIPTS = {
    "full-width": 0xFF10, "arabic": 0x0660, "persian": 0x06F0, "devanagari": 0x0966, "bengali": 0x09E6,
    "thai": 0x0E50, "khmer": 0x17E0, "mathematical bold": 0x1D7CE, "mathematical monospace": 0x1D7F6,
}  # fmt: skip
_SIZES = {
    "ones": (1,), "pairs": (2,), "threes": (3,), "fives": (5,), "sevens": (7,), "eights": (8,),
    "6 and the rest": (6, 13), "12 and the rest": (12, 7), "4, 2, 6": (4, 2, 6), "3, 5": (3, 5),
}  # fmt: skip
_AROUND = {
    "after a letter": "x{}", "before a letter": "{}x", "after a word": "card{}", "in a sentence": "It is {}.",
    "in brackets": "({})", "in quotes": "'{}'", "after a colon": "card:{}", "in a query": "?pan={}&cvv=123",
    "in a path": "/cards/{}/limit", "in XML": "<pan>{}</pan>", "in JSON": '{{"pan":"{}"}}', "in a list": "1,2,{},3",
    "as track 1": "%B{}^DOE/JANE^29121010000000000", "as track 2": ";{}=29121010000000000?",
    "with its expiry": "{} 12/29", "with its code": "{} 123", "after an order": "order 4711 card {}",
    "after a number": "no. 12, {}", "before a date": "{}, 2025-11-20", "in an address": "{}@example.com",
    "with a sign": "-{}", "with a plus and a word": "+card {}", "between underscores": "pan_{}_end",
}  # fmt: skip
_SUPERSCRIPT = str.maketrans("0123456789", "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
SPELLINGS: dict[str, Spelling] = {
    "plain": lambda number: number,
    **{f"by {name}": (lambda number, by=each: printed(number, by)) for name, each in _SEPARATORS.items()},  # type: ignore[misc]
    **{f"every digit by {name}": (lambda number, by=each: by.join(number) + by) for name, each in _INVISIBLE.items()},  # type: ignore[misc]
    **{f"in {name} digits": (lambda number, zero=each: in_digits(number, zero)) for name, each in _SCRIPTS.items()},  # type: ignore[misc]
    **{f"in {name}": (lambda number, of=each: grouped(number, " ", *of)) for name, each in _SIZES.items()},  # type: ignore[misc]
    **{name: (lambda number, text=each: text.format(number)) for name, each in _AROUND.items()},  # type: ignore[misc]
    "in eights by dash": lambda number: grouped(number, "-", 8),
    "in pairs by underscore": lambda number: grouped(number, "_", 2),
    "in ones by dot": lambda number: grouped(number, ".", 1),
    "by dashes in a sentence": lambda number: f"Charge {printed(number, '-')}, thanks",
    "by blanks after a number": lambda number: f"12 {printed(number, ' ')}",
    "full-width by blanks": lambda number: printed(in_digits(number, 0xFF10), "\u3000"),
    "half in another script": lambda number: number[:6] + in_digits(number[6:], 0x0660),
    "in superscript": lambda number: number.translate(_SUPERSCRIPT),
    "in subscript": lambda number: in_digits(number, 0x2080),
    "in circles": lambda number: "".join("\u24ea" if digit == "0" else chr(0x245F + int(digit)) for digit in number),
    "as an amount": lambda number: f"{number}.0",
    "as an amount of cents": lambda number: f"{number}.00",
    "as a float": lambda number: f"{_scientific(number)}e{len(number) - 1}",
    "as a float with a sign": lambda number: f"{_scientific(number)}E+{len(number) - 1}",
    "ten times too large": lambda number: f"{number}0e-1",
    "with leading noughts": lambda number: f"0000{number}",
    "percent digits": lambda number: "".join(f"%3{digit}" for digit in number),
    "percent blanks": lambda number: quote(printed(number, " ")),
    "percent dashes": lambda number: printed(number, "%2D"),
    "percent full-width": lambda number: quote(in_digits(number, 0xFF10)),
    "HTML digits": lambda number: "".join(f"&#{ord(digit)};" for digit in number),
    "HTML blanks": lambda number: printed(number, "&#32;"),
}  # fmt: skip
"""Every one of them must be found."""

_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
UNSEEN: dict[str, Spelling] = {
    "base64": lambda number: base64.b64encode(number.encode()).decode(),
    "hexadecimal": lambda number: f"{int(number):x}",
    "backwards": lambda number: number[::-1],
    "percent twice": lambda number: "".join(f"%253{digit}" for digit in number),
    "letters between": "x".join,
    "in a longer number": lambda number: f"7{number}291",
    "in words": lambda number: " ".join(_WORDS[int(digit)] for digit in number),
}  # fmt: skip
"""The spellings that SECURITY.md lists as not seen."""

Structure = Callable[[str], str]
STRUCTURES: dict[str, Structure] = {
    "a number": lambda number: f'{{"metadata": {{"n": {number}}}}}',
    "a negative number": lambda number: f'{{"metadata": {{"n": -{number}}}}}',
    "a number with a point": lambda number: f'{{"metadata": {{"n": {number}.0}}}}',
    "a number with cents": lambda number: f'{{"metadata": {{"n": {number}.00000}}}}',
    "a float": lambda number: f'{{"metadata": {{"n": {_scientific(number)}e{len(number) - 1}}}}}',
    "a float with capital E": lambda number: f'{{"metadata": {{"n": {_scientific(number)}E+{len(number) - 1}}}}}',
    "a number ten times too large": lambda number: f'{{"metadata": {{"n": {number}0e-1}}}}',
    "a name": lambda number: json.dumps({"metadata": {number: 1}}),
    "a name in groups": lambda number: json.dumps({"metadata": {printed(number, " "): {"a": 1}}}),
    "an unknown field": lambda number: json.dumps({"unknown": [[{"deep": number}]]}),
    "an escaped text": lambda number: '{"metadata": {"n": "' + "".join(f"\\u00{ord(d):x}" for d in number) + '"}}',
    "an escaped name": lambda number: '{"' + "".join(f"\\u00{ord(d):x}" for d in number) + '": 1}',
    "JSON in a text": lambda number: json.dumps({"metadata": {"n": json.dumps({"pan": printed(number, "-")})}}),
    "a list of groups": lambda number: json.dumps({"metadata": {"n": printed(number, " ").split()}}),
    "a list of digits": lambda number: json.dumps({"metadata": {"n": list(map(int, number))}}),
    "a list of texts of digits": lambda number: json.dumps({"metadata": {"n": list(number)}}),
    "parts by number": lambda number: json.dumps(
        {"metadata": {f"pan{at}": part for at, part in enumerate(printed(number, " ").split())}}
    ),
    "parts by letter": lambda number: json.dumps(
        {"metadata": dict(zip("abcdefgh", printed(number, " ").split(), strict=False))}
    ),
    "parts in a list of objects": lambda number: json.dumps(
        {"metadata": {"cards": [{"p_1": number[:4], "p_2": number[4:8], "p_3": number[8:12], "p_4": number[12:]}]}}
    ),
    "beside other numbers": lambda number: json.dumps({"metadata": {"list": [1, 22, number, 20251120]}}),
}  # fmt: skip
"""Bodies with the number, all of which must be refused."""
