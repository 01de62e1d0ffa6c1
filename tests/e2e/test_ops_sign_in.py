"""Signing in to the operations pages at a real OpenID provider, in a real browser and step by step."""

import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import busy_day
from tests.support.chromium import Chromium, chromium_programs
from tests.support.ops_pictures import DESKTOP
from tests.support.processes import flask
from tests.support.real_provider import Person, RealProvider, real_provider
from tests.support.served import Served, served
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def provider() -> Iterator[RealProvider]:
    chromium_programs()
    with real_provider() as running:
        yield running


@pytest.fixture(scope="module")
def service(provider: RealProvider) -> Iterator[Served]:
    """Start a service in the middle of a busy day; its operators sign in at the provider."""
    with tempfile.TemporaryDirectory() as home:
        url = f"sqlite:///{Path(home)}/day.db"
        busy_day.fill(url)
        with served(**busy_day.environment(url), **provider.settings) as running:
            yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    running = Chromium()
    running.resize(*DESKTOP)
    yield running
    running.close()


@pytest.fixture
def browser(chromium: Chromium) -> Chromium:
    """Return a browser without cookies."""
    chromium.drop_cookies()
    return chromium


@pytest.fixture
def person(provider: RealProvider, service: Served) -> Person:
    return Person(provider.service_url)


def text_of(browser: Chromium) -> str:
    return str(browser.run("return document.body ? document.body.innerText : ''"))


def wait_for(browser: Chromium, said: str) -> None:
    wait_until(lambda: said in text_of(browser), lambda: text_of(browser))


def sign_in(browser: Chromium, provider: RealProvider, name: str, path: str = "/ops") -> None:
    """Ask for a page, follow the button, and sign in at the provider."""
    browser.open(provider.service_url + path)
    wait_for(browser, "Sign in at 127.0.0.1")
    browser.run("document.querySelector('a[role=button]').click()")
    wait_until(lambda: browser.run("return !!document.querySelector('input[name=login]')"), lambda: text_of(browser))
    fill = "document.querySelector('input[name=login]').value = "
    password = "document.querySelector('input[name=password]').value = 'any'"
    browser.run(f"{fill}'{name}'; {password}; document.querySelector('form').submit()")


def test_operator_signs_in_acts_and_signs_out_and_the_cookie_is_refused(
    provider: RealProvider, service: Served, browser: Chromium
) -> None:
    sign_in(browser, provider, "maria", "/ops/deliveries")
    wait_for(browser, "maria")
    assert browser.run("return location.pathname") == "/ops/deliveries"
    assert browser.run("return document.cookie") == ""
    (cookie,) = [each for each in browser.cookies() if each["name"] == "ops"]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")

    browser.run("document.querySelector('form.inline button').click()")
    wait_for(browser, "maria had delivery")
    copy = Person(provider.service_url)
    copy.change_cookie("ops", cookie["value"])
    assert copy.home() == 200

    browser.run("document.querySelector('.leave button').click()")
    wait_for(browser, "Sign in at 127.0.0.1")
    assert copy.home() == 401
    browser.open(f"{provider.service_url}/ops")
    wait_for(browser, "Sign in at 127.0.0.1")


def test_expired_session_leads_to_the_sign_in(provider: RealProvider, service: Served, browser: Chromium) -> None:
    sign_in(browser, provider, "maria")
    wait_for(browser, "Payments by hour")
    with sqlite3.connect(service.settings["DATABASE_URL"].removeprefix("sqlite:///")) as database:
        database.execute("UPDATE operator_sessions SET ends_at = began_at")

    browser.open(f"{provider.service_url}/ops/deliveries")
    wait_for(browser, "Your session has ended")


def test_revocation_ends_the_session_in_the_browser(provider: RealProvider, service: Served, browser: Chromium) -> None:
    sign_in(browser, provider, "maria")
    wait_for(browser, "Payments by hour")

    flask("ops", "revoke", "--subject", "maria", settings=service.settings)

    browser.open(f"{provider.service_url}/ops")
    wait_for(browser, "Your session has ended")
    browser.run("document.querySelector('a[role=button]').click()")  # the provider still knows maria
    wait_for(browser, "Payments by hour")


def test_person_without_the_scope_sees_the_reason(provider: RealProvider, service: Served, browser: Chromium) -> None:
    sign_in(browser, provider, "ben")

    wait_for(browser, "payments:operate")
    assert "scope_missing" in text_of(browser)
    browser.open(f"{provider.service_url}/ops")
    wait_for(browser, "Sign in at 127.0.0.1")


def test_code_of_the_provider_works_once_in_its_own_browser(person: Person) -> None:
    address = person.sign_in_at_provider("maria")
    kept = person.cookie("ops-sign-in")
    stranger = Person(person.service)
    assert stranger.come_back(address).status_code == 401
    assert person.come_back(address).status_code == 303
    assert person.home() == 200

    thief = Person(person.service)
    thief.change_cookie("ops-sign-in", kept)  # also with all cookies of the browser, the provider refuses the code
    assert thief.come_back(address).status_code == 401
    assert thief.home() == 401


@pytest.mark.parametrize("part", [0, 1, 2], ids=["state", "nonce", "verifier"])
def test_sign_in_with_another_state_nonce_or_verifier_is_refused(person: Person, part: int) -> None:
    address = person.sign_in_at_provider("maria")
    parts = person.cookie("ops-sign-in").split(".")
    parts[part] = "0" * len(parts[part])
    person.change_cookie("ops-sign-in", ".".join(parts))

    answer = person.come_back(address)

    assert answer.status_code == 401
    assert "The sign-in did not succeed" in answer.text
    assert person.home() == 401


def test_cancellation_at_the_provider_leads_back_to_the_sign_in(
    provider: RealProvider, service: Served, browser: Chromium
) -> None:
    browser.open(f"{provider.service_url}/ops/login/provider")
    wait_until(lambda: browser.run("return !!document.querySelector('.login-help a')"), lambda: text_of(browser))
    browser.run("document.querySelector('.login-help a').click()")

    wait_for(browser, "The sign-in did not succeed")
