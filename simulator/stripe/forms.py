"""Form bodies in Stripe's format: `a[b]=c`, `a[]=b`, `a[0]=b`; a parameter must be known, present and of its type."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from simulator.stripe.errors import malformed

Form = dict[str, Any]
Check = Callable[[Any, str], Any]
Spec = Mapping[str, Check]

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_PART = re.compile(r"\[([^\[\]]*)\]")
METADATA_PAIRS, METADATA_NAME, METADATA_VALUE = 50, 40, 500


def parse(pairs: Iterable[tuple[str, str]]) -> Form:
    """Return the pairs as nested dictionaries; elements of arrays are under "0", "1" and so on."""
    form: Form = {}
    for name, value in pairs:
        match = _NAME.fullmatch(name)
        if match is None:
            raise malformed(f"Invalid parameter name: {name}", param=name)
        path = [match[1], *_PART.findall(match[2])]
        place = form
        for step in path[:-1]:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise malformed(f"Invalid hash: {name}", param=name)
        place[path[-1] or str(len(place))] = value
    return form


def check(form: Form, spec: Spec, required: Iterable[str] = ()) -> Form:
    """Return the form with Python values. Raises StripeError for an unknown, missing or mistyped parameter."""
    unknown = sorted(form.keys() - spec.keys())
    if unknown:
        one = f"Received unknown parameter: {unknown[0]}"
        several = f"Received unknown parameters: {', '.join(unknown)}"
        raise malformed(one if len(unknown) == 1 else several, code="parameter_unknown", param=unknown[0])
    for name in required:
        if form.get(name, "") == "":
            raise malformed(f"Missing required param: {name}.", code="parameter_missing", param=name)
    return {name: spec[name](value, name) for name, value in form.items()}


def text(value: Any, name: str) -> str | None:
    """Return a text; None for an empty one."""
    if not isinstance(value, str):
        raise malformed("Invalid string", param=name)
    if len(value) > 5000:
        raise malformed("Invalid string: too long", code="parameter_invalid_string_long", param=name)
    return value or None


def integer(value: Any, name: str) -> int:
    """Return a whole number in decimal digits."""
    if not isinstance(value, str) or not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise malformed(f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)
    return int(value)


def boolean(value: Any, name: str) -> bool:
    """Return `true` or `false` as a bool."""
    if value not in ("true", "false"):
        raise malformed(f"Invalid boolean: {value}", param=name)
    return bool(value == "true")


def choice(*words: str) -> Check:
    """Return a check for one of these words."""

    def one(value: Any, name: str) -> str | None:
        if value == "":
            return None
        if value not in words:
            raise malformed(f"Invalid {name}: must be one of {', '.join(words)}", param=name)
        return str(value)

    return one


def texts(value: Any, name: str) -> list[str]:
    """Return an array of texts."""
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise malformed("Invalid array", param=name)
    return list(value.values())


def anything(value: Any, _name: str) -> Any:
    """Return a parameter of Stripe's that has no effect here."""
    return value


def nested(**spec: Check) -> Check:
    """Return a check for a hash with these fields."""

    def fields(value: Any, name: str) -> Form:
        if not isinstance(value, dict):
            raise malformed("Invalid object", param=name)
        return check(
            {f"{name}[{key}]": each for key, each in value.items()}, {f"{name}[{k}]": c for k, c in spec.items()}
        )

    def plain(value: Any, name: str) -> Form:
        return {key[len(name) + 1 : -1]: each for key, each in fields(value, name).items()}

    return plain


def metadata(value: Any, name: str) -> dict[str, str]:
    """Return at most 50 pairs of texts; an empty text as value removes the pair, one for the whole removes all."""
    if value == "":
        return {}
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise malformed("Invalid object", param=name)
    if len(value) > METADATA_PAIRS:
        raise malformed(f"Metadata can have up to {METADATA_PAIRS} keys.", param=name)
    for key, each in value.items():
        if len(key) > METADATA_NAME or len(each) > METADATA_VALUE:
            raise malformed(
                f"Metadata keys have up to 40 characters, values up to 500: {key}", param=f"metadata[{key}]"
            )
    return dict(value)


def window(value: Any, name: str) -> dict[str, int]:
    """Return a time, or a range of times by `gt`, `gte`, `lt`, `lte`; seconds since 1970."""
    if isinstance(value, dict):
        bounds = dict.fromkeys(("gt", "gte", "lt", "lte"), integer)
        checked: dict[str, int] = nested(**bounds)(value, name)
        return checked
    return {"gte": (moment := integer(value, name)), "lte": moment}


EXPAND: Spec = {"expand": texts}
PAGE: Spec = {"limit": integer, "starting_after": text, "ending_before": text, **EXPAND}
