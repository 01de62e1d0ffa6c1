"""A real, independent OpenID provider, `oidc-provider` on Node, and a person who signs in there."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urljoin

import requests

from tests.support.npm import install, node
from tests.support.ports import free_port
from tests.support.processes import ROOT
from tests.support.waiting import wait_until

CLIENT_ID, CLIENT_SECRET = "payment-service", "a-client-secret-of-the-browser-tests"
CALLBACK = "/ops/login/callback"
HOME = ROOT / "tests" / "oidc"


@dataclass(frozen=True)
class RealProvider:
    """A running provider, for a service at `http://localhost:<port>`, which is another site for browsers."""

    issuer: str
    port: int

    @property
    def service_url(self) -> str:
        """Return the address at which the service has to listen."""
        return f"http://localhost:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """The variables of that service."""
        return {
            "SERVICE_PORT": str(self.port),
            "OPS_OIDC_ISSUER": self.issuer,
            "OPS_OIDC_CLIENT_ID": CLIENT_ID,
            "OPS_OIDC_CLIENT_SECRET": CLIENT_SECRET,
        }


@contextmanager
def real_provider() -> Iterator[RealProvider]:
    """Yield a provider as long as the block lasts: everybody may sign in, maria has the scope."""
    install("tests/oidc", "OIDC-PROVIDER IS MISSING and npm cannot install it: signing in was not tested")
    provider = RealProvider(f"http://127.0.0.1:{(own := free_port())}", free_port())
    words = [str(own), provider.service_url + CALLBACK, CLIENT_ID, CLIENT_SECRET]
    process = subprocess.Popen(
        [node(), HOME / "provider.mjs", *words], cwd=HOME, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: process.poll() is not None or _is_up(provider.issuer), patience=60)
        assert process.poll() is None, "the provider ended"
        yield provider
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=30)


def _is_up(issuer: str) -> bool:
    try:
        return requests.get(f"{issuer}/.well-known/openid-configuration", timeout=5).ok
    except requests.RequestException:
        return False


class Person:
    """A person with a program instead of a browser, who follows each step and may change what it carries."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.http = requests.Session()
        self.http.trust_env = False

    def sign_in_at_provider(self, name: str) -> str:
        """Follow the button, sign in as `name`: the address to which the provider sends the browser back."""
        answer = self._get(f"{self.service}/ops/login/provider")
        while answer.is_redirect:
            address = urljoin(answer.url, answer.headers["Location"])
            if address.startswith(self.service + CALLBACK):
                return address
            answer = self._get(address)
        found = re.search(r'action="([^"]+)"', answer.text)
        assert found is not None, answer.text
        form = {"prompt": "login", "login": name, "password": "any"}
        answer = self.http.post(found[1], data=form, allow_redirects=False, timeout=30)
        while not (address := urljoin(answer.url, answer.headers["Location"])).startswith(self.service + CALLBACK):
            answer = self._get(address)
        return address

    def come_back(self, address: str) -> requests.Response:
        """Follow the last step, to the service."""
        return self._get(address)

    def home(self) -> int:
        """Return the status of the overview."""
        return self._get(f"{self.service}/ops").status_code

    def cookie(self, name: str) -> str:
        """Return a cookie's value; "" without one."""
        return next((str(each.value) for each in self.http.cookies if each.name == name), "")

    def change_cookie(self, name: str, value: str) -> None:
        """Have another value in a cookie of the service."""
        self.http.cookies.set(name, value, domain="localhost.local", path="/")

    def _get(self, address: str) -> requests.Response:
        return self.http.get(address, allow_redirects=False, timeout=30)
