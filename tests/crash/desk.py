"""The events that a trial causes at the bank behind the adapter's back, and the way of the bank's notices."""

from collections.abc import Callable
from typing import Any

import requests

from tests.support.simulator import PATIENCE, Simulator
from tests.support.waiting import wait_until

SECRET = "whsec_of_trials"


class StripeDesk:
    """One scenario's webhook endpoint at a bank, and the bank's administration. It gets no notices before `tell`."""

    def __init__(self, simulator: Simulator) -> None:
        self._url = f"{simulator.url}/_simulator/stripe"
        self._http = requests.Session()
        self._http.trust_env = False
        self.do("settings", retry_base=0.05)
        self._endpoint = self.do("webhook_endpoints", url=self._url, secrets=[SECRET], enabled_events=[])["id"]

    def tell(self, port: int) -> None:
        """Let the bank send its notices to the service at `port` from now on."""
        url = f"http://127.0.0.1:{port}/webhooks/stripe"
        self.do(f"webhook_endpoints/{self._endpoint}", url=url, enabled_events=["*"])

    def be_silent(self) -> None:
        """Let the bank send no notices from now on."""
        self.do(f"webhook_endpoints/{self._endpoint}", enabled_events=[])

    def do(self, path: str, **body: Any) -> Any:
        """POST to the administration, and what it answers."""
        answer = self._http.post(f"{self._url}/{path}", json=body, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait_until_told(self, has_told: Callable[[], bool]) -> None:
        """Return when every notice has arrived."""
        wait_until(has_told, lambda: str(self._http.get(f"{self._url}/deliveries", timeout=PATIENCE).json()[-20:]))

    def close(self) -> None:
        """Take the endpoint away, with what is still to be delivered."""
        self._http.delete(f"{self._url}/webhook_endpoints/{self._endpoint}", timeout=PATIENCE)
        self._http.close()
