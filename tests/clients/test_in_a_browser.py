"""The client for TypeScript in a real browser: a page loads it as a module and pays."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.clients.calls import PAYMENT
from tests.clients.typescript_client import PACKAGE, build
from tests.support.chromium import Chromium
from tests.support.waiting import wait_until

PAGE = """<!doctype html><script type="module">
import { PaymentClient } from "/index.js";
const client = new PaymentClient(location.origin, { token: "a-token" });
const paid = await client.trips.pay({ tripId: 101, method: "CARD", amount: "150.00", key: "a-key" });
const refused = await client.trips.get({ paymentId: 1 }).catch((error) => error);
document.title = JSON.stringify([paid.status, paid.amount, paid.createdAt, refused.name, refused.status]);
</script>"""


class Site(SimpleHTTPRequestHandler):
    """Serves the page and the client; charges are pending at first, and a look-up is sent elsewhere."""

    charges: list[tuple[str | None, Any]]

    def do_GET(self) -> None:
        """Serve a file, the page, or a redirect that no client follows."""
        if self.path == "/payments/1":
            self._say(307, b"", Location="/page")
        elif self.path == "/page":
            self._say(200, PAGE.encode(), **{"Content-Type": "text/html"})
        else:
            super().do_GET()

    def do_POST(self) -> None:
        """Answer a charge: the gateway has not decided, then the payment."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.charges.append((self.headers["Authorization"], body))
        pending = {"payment_id": 1, "status": "PENDING"}
        status, answer = (202, pending) if len(self.charges) == 1 else (200, PAYMENT)
        self._say(status, json.dumps(answer).encode(), **{"Retry-After": "1"})

    def _say(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@contextmanager
def site() -> Iterator[str]:
    """Run the site for the block."""
    Site.charges = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Site, directory=PACKAGE / "dist"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_pays_once_and_follows_no_redirect() -> None:
    build()
    with site() as url, closing(Chromium()) as browser:
        browser.open(f"{url}/page")
        wait_until(lambda: browser.run("return document.title").startswith("["), patience=60)
        shown = json.loads(browser.run("return document.title"))

    charge = {"idempotency_key": "a-key", "trip_id": 101, "method": "CARD", "amount": 150}
    assert Site.charges == [("Bearer a-token", charge)] * 2
    assert shown == ["SUCCESS", "150", "2026-11-20T11:16:22.445Z", "Refused", 307]
