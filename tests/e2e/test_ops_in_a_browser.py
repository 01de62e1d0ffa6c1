"""The operations pages as people see them, at a desk and on a phone, in a browser for which there is no internet."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import busy_day
from tests.support.chromium import Chromium, chromium_programs
from tests.support.ops_pictures import DESKTOP, PHONE, sign_in
from tests.support.served import Served, served
from tests.support.waiting import wait_until

PAGES = {
    "/ops": "Payments by hour",
    "/ops/search": "Payment number, public id, reference",
    "/ops/search?q=4711": "orders 4711",
    f"/ops/payments/{busy_day.STORY}": "partially refunded",
    "/ops/payments/16": busy_day.HOSTILE,
    "/ops/deliveries": "Replay",
    "/ops/payments/999": "Payment not found",
    "/ops/login": "Paste a token",
}
"""Page → the text that it must show."""

SCREENS = {"desktop": DESKTOP, "phone": PHONE, "small phone": (320, 640)}


@pytest.fixture(scope="module")
def service() -> Iterator[Served]:
    """Start a service in the middle of a busy day."""
    chromium_programs()
    with tempfile.TemporaryDirectory() as home:
        url = f"sqlite:///{Path(home)}/day.db"
        busy_day.fill(url)
        with served(**busy_day.environment(url)) as running:
            yield running


@pytest.fixture(scope="module")
def browser(service: Served) -> Iterator[Chromium]:
    """Return Maria's browser."""
    chromium = Chromium()
    sign_in(chromium, service.url)
    wait_until(lambda: "maria" in text_of(chromium))
    yield chromium
    chromium.close()


def text_of(browser: Chromium) -> str:
    return str(browser.run("return document.body ? document.body.innerText : ''"))


def show(browser: Chromium, url: str, said: str) -> None:
    """Open a page, which must show this text."""
    browser.open(url)
    wait_until(lambda: said in text_of(browser), lambda: text_of(browser))


def overflow(browser: Chromium) -> list[str]:
    """Return the elements beyond the right edge of the screen that do not scroll in their own box."""
    found: list[str] = browser.run(
        """const wide = document.documentElement.scrollWidth > window.innerWidth ? ['the page'] : [];
        const beyond = [...document.querySelectorAll('body *')].filter(each =>
            !each.closest('.overflow-auto') && !each.closest('svg') && each.getClientRects().length &&
            each.getBoundingClientRect().right > window.innerWidth + 1);
        return [...wide, ...beyond.map(each => each.outerHTML.slice(0, 120))];"""
    )
    return found


@pytest.mark.parametrize("screen", SCREENS.values(), ids=SCREENS)
@pytest.mark.parametrize(("path", "said"), PAGES.items())
def test_page_is_shown_whole_without_outside_requests_and_complaints(
    service: Served, browser: Chromium, screen: tuple[int, int], path: str, said: str
) -> None:
    browser.resize(*screen)
    browser.forget()
    show(browser, service.url + path, said)
    browser.run("document.querySelectorAll('details').forEach(each => each.open = true)")
    seen, status = browser.seen(), 404 if path.endswith("/999") else 200
    assert [complaint for complaint in seen.complaints if status == 200 or "404" not in complaint] == []
    assert f"{service.url}/docs/assets/ops/ops.css" in seen.requested
    assert [each for each in seen.requested if not each.startswith((f"{service.url}/", "data:"))] == []
    assert overflow(browser) == []


def test_styles_and_pictures_are_loaded(service: Served, browser: Chromium) -> None:
    browser.resize(*DESKTOP)
    browser.open(f"{service.url}/ops")

    assert browser.run("return [...document.styleSheets].map(each => each.cssRules.length > 20)") == [True, True]
    assert browser.run("return document.querySelector('.brand img').naturalWidth") > 0
    fill = "getComputedStyle(document.querySelector('.plot rect.captured')).fill"
    assert browser.run(f"return {fill}") == "rgb(31, 138, 102)"


@pytest.mark.parametrize("path", PAGES)
def test_every_button_on_a_phone_is_large_enough_for_a_finger(service: Served, browser: Chromium, path: str) -> None:
    browser.resize(*PHONE)
    browser.open(service.url + path)
    heights = browser.run(
        "return [...document.querySelectorAll('button, nav a')].map(each => each.getBoundingClientRect().height)"
    )
    assert min(heights) >= 24  # WCAG 2.2, target size (minimum)


def test_injected_script_does_not_run(service: Served, browser: Chromium) -> None:
    browser.open(f"{service.url}/ops")
    browser.seen()
    browser.run(
        """const script = document.createElement('script'); script.textContent = 'window.owned = true';
        document.body.append(script);
        const image = document.createElement('img'); image.src = 'https://example.com/picture.png';
        document.body.append(image);"""
    )
    complaints: list[str] = []

    def told() -> bool:
        complaints.extend(browser.seen().complaints)
        return sum("Content Security Policy" in said for said in complaints) >= 2

    wait_until(told, lambda: str(complaints))
    assert browser.run("return window.owned === undefined")


def test_button_replays_a_dead_delivery(service: Served, browser: Chromium) -> None:
    browser.resize(*DESKTOP)
    browser.open(f"{service.url}/ops/deliveries")
    before = browser.run("return document.querySelectorAll('form.inline').length")
    assert before > 2
    browser.run("document.querySelector('form.inline button').click()")
    wait_until(lambda: "maria had delivery" in text_of(browser), lambda: text_of(browser))
    browser.open(f"{service.url}/ops/deliveries")

    assert browser.run("return document.querySelectorAll('form.inline').length") == before - 1


def test_search_opens_the_payment_and_sign_out_opens_the_form(service: Served, browser: Chromium) -> None:
    browser.open(f"{service.url}/ops/search")
    browser.run("document.querySelector('#q').value = 'PAY-'; document.querySelector('main form button').click()")
    wait_until(lambda: "Nothing was found" in text_of(browser), lambda: text_of(browser))
    browser.run("document.querySelector('#q').value = '4712'; document.querySelector('main form button').click()")
    wait_until(lambda: "no decision yet" in text_of(browser), lambda: text_of(browser))

    browser.run("document.querySelector('.leave button').click()")
    wait_until(lambda: "Paste a token" in text_of(browser))
    browser.open(f"{service.url}/ops/deliveries")
    assert "Paste a token" in text_of(browser)
    assert browser.run("return document.cookie") == ""
    sign_in(browser, service.url)
    wait_until(lambda: "Overview" in text_of(browser))
