"""Pictures of the operations pages, for the documents: `.venv/bin/python -m tests.support.ops_pictures docs/images`."""

import sys
import tempfile
from pathlib import Path

from tests.support import busy_day
from tests.support.chromium import Chromium
from tests.support.served import served
from tests.support.tokens import token

DESKTOP, PHONE = (1200, 900), (390, 844)
PAGES = {
    "overview": ("/ops", DESKTOP),
    "overview-phone": ("/ops", PHONE),
    "payment": (f"/ops/payments/{busy_day.STORY}", (1200, 1700)),
    "payment-phone": (f"/ops/payments/{busy_day.STORY}", PHONE),
    "search": ("/ops/search?q=4711", DESKTOP),
    "search-phone": ("/ops/search?q=4711", PHONE),
    "deliveries": ("/ops/deliveries", DESKTOP),
    "deliveries-phone": ("/ops/deliveries", PHONE),
    "login-phone": ("/ops/login", PHONE),
    "login": ("/ops/login", DESKTOP),
    "not-found": ("/ops/payments/999", DESKTOP),
}
"""File → page and screen."""


def sign_in(browser: Chromium, url: str) -> None:
    """Paste an operator's token, as a person does."""
    browser.open(f"{url}/ops")
    fill = "document.querySelector('#token').value = "
    browser.run(f"{fill}'{token('maria', scope='payments:operate')}'; document.querySelector('main form').submit();")


def main(directory: Path, names: list[str]) -> None:
    """Take the pictures of these names, or all."""
    with tempfile.TemporaryDirectory() as home:
        url = f"sqlite:///{home}/day.db"
        busy_day.fill(url)
        provider = {"OPS_OIDC_ISSUER": "http://login.example.com", "OPS_OIDC_CLIENT_ID": "payment-service"}
        with served(**busy_day.environment(url), **provider) as service:
            browser = Chromium()
            browser.resize(*DESKTOP)
            sign_in(browser, service.url)
            for name in names or PAGES:
                path, screen = PAGES[name]
                browser.resize(*screen)
                browser.open(service.url + path)
                browser.shoot(directory / f"ops-{name}.png")
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
