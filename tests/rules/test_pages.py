"""The pages that show the description: bundled as published, served strictly, shipped with the package."""

import configparser
import hashlib

import pytest
from flask.testing import FlaskClient

from tests.support.chromium import chromium_programs
from tests.support.processes import ROOT

STATIC = ROOT / "payment_service" / "static"
VENDOR = STATIC / "vendor"
OUR_OWN = {"README.md", "SHA256SUMS"}
PAGES = ["/docs", "/redoc", "/v1/docs", "/v1/redoc"]


def test_vendored_files_equal_the_published_ones() -> None:
    lines = (VENDOR / "SHA256SUMS").read_text().splitlines()
    promised = {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}
    there = {
        f"./{file.relative_to(VENDOR)}": hashlib.sha256(file.read_bytes()).hexdigest()
        for file in VENDOR.rglob("*")
        if file.is_file() and file.name not in OUR_OWN
    }

    assert there == promised


@pytest.mark.parametrize("folder", ["pico", "redoc", "swagger-ui"])
def test_vendored_files_come_with_their_licence(folder: str) -> None:
    assert "copyright" in (VENDOR / folder / "LICENSE").read_text().lower()
    assert f"`{folder}/`" in (VENDOR / "README.md").read_text()


def test_package_ships_every_file_of_the_pages() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    package = ROOT / "payment_service"
    patterns = setup["options.package_data"]["payment_service"].split()
    shipped = {file for pattern in patterns for file in package.glob(pattern)}
    needed = {file for folder in ("static", "templates") for file in (package / folder).rglob("*") if file.is_file()}

    assert needed <= shipped
    assert len(needed) > 10


@pytest.mark.parametrize("page", PAGES)
def test_policy_of_a_page_allows_only_its_own_files(client: FlaskClient, page: str) -> None:
    answer = client.get(page)
    policy = dict(rule.strip().split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split(";"))

    assert answer.status_code == 200
    assert answer.mimetype == "text/html"
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in str(policy)
    assert "http" not in str(policy)


@pytest.mark.parametrize("page", PAGES)
def test_page_names_only_existing_files_and_has_no_inline_script(client: FlaskClient, page: str) -> None:
    words = client.get(page).text.replace(">", " ").split()
    named = [word.split('"')[1] for word in words if word.startswith(("src=", "href=", "data-url="))]
    assert len(named) >= 5
    assert {address.partition("docs/assets")[0].partition("openapi")[0] for address in named} == {
        page[: page.rindex("/") + 1]
    }

    def status_of(address: str) -> int:
        with client.get(address) as answer:  # a file stays open until its answer is closed
            return answer.status_code

    assert {address: status_of(address) for address in named} == dict.fromkeys(named, 200)
    assert client.get(page).text.count("<script") == client.get(page).text.count("<script defer src=")


@pytest.mark.parametrize(
    "name", ["nothing.js", "../openapi.py", "..%2f..%2fconfig.py", "vendor", "/etc/passwd", "docs/"]
)
def test_path_beside_the_files_answers_404(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/docs/assets/{name}")

    assert answer.status_code == 404
    assert answer.get_json()["code"] == "not_found"


def test_file_is_cached_until_it_changes(client: FlaskClient) -> None:
    path = "/docs/assets/vendor/swagger-ui/swagger-ui.css"
    with client.get(path) as first:
        assert (first.status_code, first.mimetype) == (200, "text/css")
        assert first.headers["Cache-Control"] == "no-cache"
    with client.get(path, headers={"If-None-Match": first.headers["ETag"]}) as again:
        assert again.status_code == 304


def test_missing_browser_skips_the_test_and_fails_it_under_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="CHROMIUM IS MISSING"):
        chromium_programs()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="CHROMIUM IS MISSING"):
        chromium_programs()
