"""The description's pages as a person sees them, in a real browser for which there is no internet."""

from collections.abc import Iterator

import pytest
import requests

from tests.support.chromium import Chromium, chromium_programs
from tests.support.description import Described, operations
from tests.support.ops_pictures import DESKTOP, PHONE
from tests.support.served import Served, served
from tests.support.waiting import wait_until

EVERY_OPERATION = {
    "docs": "return [...document.querySelectorAll('.opblock')].map(each => each.id.replace(/^operations-/, ''))",
    "redoc": """return [...document.querySelectorAll('[id*="/operation/"]')]
        .map(each => each.id.replace(/^tag[/]/, '').replace('/operation/', '-'))""",
}
"""Page → a script that returns `tag-operation` for every operation shown."""

OPENED = {
    "docs": """document.querySelector('#operations-bills-post_v1_payments .opblock-summary-control').click();""",
    "redoc": """document.querySelector('[id="tag/bills/operation/post_v1_payments"]').scrollIntoView();""",
}
"""Page → a script that brings one operation into view with all its details."""


@pytest.fixture(scope="module")
def service() -> Iterator[Served]:
    chromium_programs()
    with served() as running:
        yield running


@pytest.fixture(scope="module")
def browser(service: Served) -> Iterator[Chromium]:
    chromium = Chromium()
    yield chromium
    chromium.close()


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize("page", ["docs", "redoc"])
def test_page_shows_every_operation_without_outside_requests(
    service: Served, browser: Chromium, page: str, prefix: str
) -> None:
    described: Described = requests.get(f"{service.url}/openapi.json", timeout=10).json()
    wanted = {f"{tag}-{each['operationId']}" for _, _, each in operations(described) for tag in each["tags"]}
    browser.forget()

    browser.open(f"{service.url}{prefix}/{page}")
    wait_until(lambda: set(browser.run(EVERY_OPERATION[page])) == wanted, lambda: str(browser.seen()))
    browser.run(OPENED[page])
    wait_until(lambda: "Pay a bill." in browser.run("return document.body.innerText"))
    seen = browser.seen()

    assert seen.complaints == []
    assert f"{service.url}{prefix}/openapi.json" in seen.requested
    assert [
        address for address in seen.requested if not address.startswith((f"{service.url}/", "data:", "blob:"))
    ] == []


@pytest.mark.parametrize("page", ["docs", "redoc"])
def test_page_on_a_phone_fits_the_screen_without_complaints(service: Served, browser: Chromium, page: str) -> None:
    browser.resize(*PHONE)
    browser.forget()
    browser.open(f"{service.url}/{page}")
    wait_until(lambda: len(browser.run(EVERY_OPERATION[page])) > 20, lambda: str(browser.seen()))
    seen, width = browser.seen(), browser.run("return document.documentElement.scrollWidth")
    browser.resize(*DESKTOP)

    assert seen.complaints == []
    assert [each for each in seen.requested if not each.startswith((f"{service.url}/", "data:", "blob:"))] == []
    assert width <= PHONE[0]


def test_page_sends_a_request_and_shows_its_answer(service: Served, browser: Chromium) -> None:
    def press(button: str) -> None:
        wait_until(lambda: browser.run(f"return document.querySelector('{health} {button}') !== null"))
        browser.run(f"document.querySelector('{health} {button}').click()")

    health = "#operations-service-get_health"
    browser.open(f"{service.url}/docs")
    for button in (".opblock-summary-control", ".try-out__btn", ".execute"):
        press(button)

    wait_until(lambda: '"healthy"' in browser.run(f"return document.querySelector('{health}').innerText"))


def test_browser_reports_a_forbidden_request(service: Served, browser: Chromium) -> None:
    browser.open(f"{service.url}/docs")
    browser.run(
        "const image = new Image(); image.src = 'https://example.com/picture.png'; document.body.append(image);"
    )

    wait_until(lambda: any("Content Security Policy" in said for said in browser.seen().complaints))
