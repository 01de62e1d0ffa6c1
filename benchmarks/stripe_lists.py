"""Stripe's lists of a day as an HTTP server: any number of intents, rendered from one object of each kind."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

NUMBER, AT = "@number@", "@at@"
PAGE = 100
PAYOUT = "po_large"

Objects = dict[str, dict[str, Any]]


class Day:
    """`intents` payments, evenly through the 86,400 seconds from `began` on. Templates have NUMBER and AT in them."""

    def __init__(self, began: datetime, intents: int, of: Objects) -> None:
        self.began = int(began.timestamp())
        self.intents = intents
        booked, charge = of["balance_transaction"], of["charge"]
        intent = of["payment_intent"]
        self._templates = {
            "booked": json.dumps(booked | {"source": charge | {"payment_intent": intent}}),
            "paid out": json.dumps(booked),
            "intents": json.dumps(intent | {"latest_charge": charge}),
        }

    def at(self, number: int) -> int:
        """Return the time of a payment."""
        return self.began + 86_400 * number // (self.intents + 1)

    def page(self, path: str, asked: dict[str, str]) -> dict[str, Any]:
        """Return a page of a list; `data` are texts of JSON, newest first."""
        name = path.removeprefix("/v1/")
        if name == "payouts":
            data = [json.dumps({"id": PAYOUT, "object": "payout", "livemode": False, "created": self.began + 86_400})]
            return {"data": data, "has_more": False}
        template = {"payment_intents": "intents"}.get(name)
        if name == "balance_transactions":
            template = "paid out" if asked.get("payout") else {"charge": "booked"}.get(asked.get("type", ""))
        if template is None:
            return {"data": [], "has_more": False}
        numbers = self._numbers(asked)
        found = [self._render(template, next(numbers, 0)) for _ in range(PAGE)]
        return {"data": [text for text in found if text], "has_more": next(numbers, 0) > 0}

    def _numbers(self, asked: dict[str, str]) -> Iterator[int]:
        since, until = (int(asked.get(f"created[{bound}]", other)) for bound, other in (("gte", 0), ("lt", 2**40)))
        first = self.intents
        if after := asked.get("starting_after"):
            first = int(after.rpartition("_")[2]) - 1
        elif until < self.at(first):
            first = (until - self.began) * (self.intents + 1) // 86_400 + 1
        for number in range(min(first, self.intents), 0, -1):
            if self.at(number) < since:
                return
            if self.at(number) < until:
                yield number

    def _render(self, template: str, number: int) -> str:
        text = self._templates[template].replace(NUMBER, str(number)).replace(f'"{AT}"', str(self.at(number)))
        return text if number else ""


def serve(day: Day, tell_port: Callable[[int], None]) -> None:
    """Serve the day on loopback until the process is ended."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """Return a page."""
            parts = urlsplit(self.path)
            page = day.page(parts.path, dict(parse_qsl(parts.query)))
            more = "true" if page["has_more"] else "false"
            body = (
                f'{{"object":"list","url":"{parts.path}","has_more":{more},"data":[{",".join(page["data"])}]}}'.encode()
            )
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    tell_port(server.server_port)
    server.serve_forever()
