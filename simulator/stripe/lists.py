"""Lists: newest first, filtered, a page at a time."""

from collections.abc import Callable
from typing import Any

from simulator.stripe.call import Answer, Call, expanded
from simulator.stripe.errors import malformed, missing
from simulator.stripe.store import Json

LIMIT, MOST = 10, 100
_BOUNDS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def listing(
    call: Call,
    kind: str,
    url: str,
    conditions: list[tuple[str, Any]],
    show: Callable[[Json], Json] = lambda body: body,
) -> Answer:
    """Return a page of objects of a kind. `conditions` are SQL with at most one `?` and its value."""
    limit = _limit(call)
    backwards = bool(call.form.get("ending_before"))
    wanted = [*conditions, *_created(call), *_after(call, kind)]
    found = call.store.page(kind, wanted, limit + 1, upwards=backwards)
    page = [show(body) for body in found[:limit]]
    body = {"object": "list", "url": url, "has_more": len(found) > limit, "data": page[::-1] if backwards else page}
    return Answer(200, page_shown(call, body))


def page_shown(call: Call, body: Json) -> Json:
    """Return a page with its objects expanded as the request asks."""
    paths = call.form.get("expand", ())
    body["data"] = [{name: value for name, value in each.items() if name != "_"} for each in body["data"]]
    return expanded(call.store, body, paths)


def _limit(call: Call) -> int:
    limit: int = call.form.get("limit", LIMIT)
    if not 1 <= limit <= MOST:
        raise malformed(f"Limit must be between 1 and {MOST}", code="parameter_invalid_integer", param="limit")
    return limit


def _created(call: Call) -> list[tuple[str, Any]]:
    window: dict[str, int] = call.form.get("created", {})
    return [(f"created {_BOUNDS[bound]} ?", moment) for bound, moment in window.items()]


def _after(call: Call, kind: str) -> list[tuple[str, Any]]:
    for name, sign in (("starting_after", "<"), ("ending_before", ">")):
        if object_id := call.form.get(name):
            number = call.store.number_of(object_id, kind)
            if number is None:
                raise missing(kind, object_id, param=name, status=400)
            return [(f"number {sign} ?", number)]
    return []
