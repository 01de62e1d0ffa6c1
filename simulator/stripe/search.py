"""Search of intents, which finds new ones only after a while."""

import re
from typing import Any

from payment_service import clock
from simulator.stripe.call import Answer, Call, Endpoint
from simulator.stripe.errors import StripeError, malformed
from simulator.stripe.forms import EXPAND, Spec, integer, text
from simulator.stripe.lists import LIMIT, MOST, page_shown

_CLAUSE = re.compile(
    r"""\s*(?P<field>status|currency|customer|amount|created|metadata\[(?P<q>['"])(?P<name>[^'"]+)(?P=q)\])
        \s*(?P<sign>:|>=|<=|>|<)\s*(?:(?P<r>['"])(?P<text>.*?)(?P=r)|(?P<number>[0-9]+))\s*""",
    re.VERBOSE,
)
_SEARCHED: Spec = {"query": text, "limit": integer, "page": text, **EXPAND}


def _search(call: Call) -> Answer:
    limit, skipped = call.form.get("limit", LIMIT), _place(call.form.get("page"))
    if not 1 <= limit <= MOST:
        raise malformed(f"Limit must be between 1 and {MOST}", param="limit")
    newest = clock.now().timestamp() - call.store.setting("search_delay")
    conditions = [("created <= ?", newest), *_conditions(call.form["query"])]
    found = call.store.page("payment_intent", conditions, skipped + limit + 1)[skipped:]
    more = len(found) > limit
    body = {"object": "search_result", "url": "/v1/payment_intents/search", "has_more": more, "data": found[:limit],
            "next_page": f"page_{skipped + limit}" if more else None}  # fmt: skip
    return Answer(200, page_shown(call, body))


def _place(page: str | None) -> int:
    if page is None:
        return 0
    if not re.fullmatch(r"page_[0-9]{1,9}", page):
        raise malformed("Invalid page", param="page")
    return int(page.removeprefix("page_"))


def _conditions(query: str) -> list[tuple[str, Any]]:
    clauses = re.split(r"\s+AND\s+", query)
    return [condition for clause in clauses for condition in _condition(clause)]


def _condition(clause: str) -> list[tuple[str, Any]]:
    match = _CLAUSE.fullmatch(clause)
    if match is None:
        message = f"We were unable to parse your search query: {clause}"
        raise StripeError(400, "invalid_request_error", message, stored=False, param="query")
    value: Any = int(match["number"]) if match["number"] else match["text"]
    sign = "=" if match["sign"] == ":" else match["sign"]
    if match["name"]:
        # One condition has one value: name and value of the pair, joined.
        pair = "EXISTS (SELECT 1 FROM json_each(body, '$.metadata') AS m WHERE m.key || char(31) || m.value = ?)"
        return [(pair, f"{match['name']}\x1f{value}")]
    return [(f"json_extract(body, '$.{match['field']}') {sign} ?", value)]


ENDPOINTS = [Endpoint("GET", "/v1/payment_intents/search", _search, _SEARCHED, needs=("query",))]
