"""A real Chromium without a window, driven over WebDriver, which is plain HTTP; nothing but loopback exists for it."""

import json
import os
import shutil
import subprocess
import tempfile
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.support.missing import is_missing
from tests.support.ports import free_port, listens
from tests.support.waiting import wait_until

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root, where Chromium has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--disable-lcd-text",  # one shade of grey at an edge and not three colours: pictures are smaller
    "--window-size=1400,1000",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
)


def chromium_programs() -> tuple[str, str]:
    """Chromium and its driver; the calling test is skipped where one is missing, and under CI=true it fails."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        is_missing("CHROMIUM IS MISSING: the pages were not tested (apt-get install chromium chromium-driver)")
    return browser, driver


@dataclass(frozen=True)
class Seen:
    """The browser's requests and messages while it showed a page."""

    requested: list[str]
    complaints: list[str]


class Chromium:
    """One browser with one page."""

    def __init__(self) -> None:
        browser, driver = chromium_programs()
        self.home = Path(tempfile.mkdtemp(prefix="chromium-", dir="/tmp"))
        port = free_port()
        environment = os.environ | {"HOME": str(self.home), "TMPDIR": str(self.home)}
        with (self.home / "driver.log").open("wb") as log:
            self._driver = subprocess.Popen([driver, f"--port={port}"], stdout=log, stderr=log, env=environment)
        self._http = requests.Session()
        self._http.trust_env = False
        self._url = f"http://127.0.0.1:{port}"
        wait_until(lambda: listens(port), (self.home / "driver.log").read_text, patience=10)
        options = {"binary": browser, "args": [*FLAGS, f"--user-data-dir={self.home}/profile"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        session = self._ask("/session", capabilities={"alwaysMatch": wanted})
        self._url += f"/session/{session['sessionId']}"

    def open(self, url: str) -> None:
        """Go to an address."""
        self._ask("/url", url=url)

    def run(self, script: str) -> Any:
        """Return the value of a script in the page."""
        return self._ask("/execute/sync", script=script, args=[])

    def cookies(self) -> list[dict[str, Any]]:
        """Return the cookies of the page's host, also those that no script sees."""
        found: list[dict[str, Any]] = self._http.get(f"{self._url}/cookie", timeout=60).json()["value"]
        return found

    def drop_cookies(self) -> None:
        """Forget every site's cookies."""
        self._ask("/goog/cdp/execute", cmd="Network.clearBrowserCookies", params={})

    def resize(self, width: int, height: int) -> None:
        """Show pages on a screen of this size; one as narrow as a phone is touched and not pointed at."""
        is_phone = width < 600
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone}
        self._ask("/goog/cdp/execute", cmd="Emulation.setDeviceMetricsOverride", params=metrics)
        self._ask("/goog/cdp/execute", cmd="Emulation.setScrollbarsHidden", params={"hidden": True})
        self._ask("/goog/cdp/execute", cmd="Emulation.setTouchEmulationEnabled", params={"enabled": is_phone})

    def shoot(self, file: Path) -> None:
        """Take a picture of what is seen."""
        answer = self._http.get(f"{self._url}/screenshot", timeout=60).json()
        file.write_bytes(b64decode(answer["value"]))

    def seen(self) -> Seen:
        """Return every address asked for, and every complaint on the console, since the last time."""
        events = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        asked = [
            event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"
        ]
        said = [entry["message"] for entry in self._log("browser") if entry["level"] in {"SEVERE", "WARNING"}]
        return Seen(asked, said)

    def forget(self) -> None:
        """Let what was seen so far be past, also what the page before is still doing."""
        self.open("about:blank")
        self.seen()

    def close(self) -> None:
        """End the browser, then its driver."""
        self._http.delete(self._url, timeout=30)
        self._driver.terminate()
        self._driver.wait(timeout=10)
        shutil.rmtree(self.home, ignore_errors=True)

    def _log(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask("/se/log", type=kind)
        return found

    def _ask(self, path: str, **body: Any) -> Any:
        answer = self._http.post(self._url + path, json=body, timeout=60)
        value = answer.json()["value"]
        assert answer.ok, value
        return value
