"""A torture run with a bank that speaks Stripe: webhooks that misbehave, customers who act, and later events."""

import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg2
import requests

from tests.crash.caller import Heard, Intent
from tests.crash.oracle import Oracle
from tests.crash.scenario import Environment
from tests.crash.tables import Tables
from tests.support.simulator import Simulator
from tests.support.waiting import wait_until
from tests.torture.at_stripe.fates import Fates
from tests.torture.at_stripe.ledger import StripeLedger
from tests.torture.at_stripe.notices import SECRETS, Forger
from tests.torture.at_stripe.oracle import StripeOracle
from tests.torture.at_stripe.stories import SILENCE, StripeStep, StripeStory
from tests.torture.stories import Step, Story
from tests.torture.system import LIMITS, PATIENCE, System

ACTION_TTL = 3 * 3600
"""Seconds for a customer to act: more than any clock is wrong by. Those who stay away have theirs ended by the run."""

BANK: Mapping[str, Any] = {
    "retry_base": 0.2, "retries": 8, "webhook_timeout": 1.0, "late_after": 0.7, "settle_after": 2.0,
}  # fmt: skip
"""How the bank is set: late failures, its own decisions and repeats of webhooks come within a run."""

HABITS: Sequence[Mapping[str, float]] = (
    {"duplicate": 0.3, "shuffle": 2.0, "lose": 0.1, "forge": 0.3},
    {"duplicate": 1.0, "shuffle": 5.0, "forge": 0.5},
    {"delay": 4.0, "shuffle": 4.0, "duplicate": 0.3},
    {"lose": 1.0},
    {"lose": 0.5, "forge": 1.0},
    {},
)
"""How webhooks come: one of these at a time."""

LONG_OVER = "2020-01-01T00:00:00+00:00"
AROUND = timedelta(hours=2)
"""Before and after a run: no clock of its is wrong by more."""


class StripeSystem(System):
    """One service at a bank that speaks Stripe."""

    limits = LIMITS | {
        "stripe_read_timeout": SILENCE,
        "gunicorn_timeout": 8,
        "nginx_timeout": 9,
        "lease_seconds": 10,
    }
    patience = {  # noqa: RUF012 - as the base has it
        "STRIPE_READ_TIMEOUT": "60",
        "GUNICORN_TIMEOUT": "200",
        "NGINX_TIMEOUT": "220",
        "LEASE_SECONDS": "240",
    }
    skews = (-3_600, 3_600)  # a key is remembered for a day: at a clock that is wrong by that, a person must look

    def __init__(self, environment: Environment, bank: Simulator, url: str, home: Path) -> None:
        super().__init__(environment, bank, url, home)
        self.ledger.close()
        self.account = self.ledger = StripeLedger(str(bank.ledger_path))
        self.forger = Forger(self.hook, Random(), self._objects)
        self._fates = Fates(self.admin, self.account)
        self._acted: dict[str, str] = {}
        self._endpoint = ""
        self._began = datetime.now(UTC)

    def start(self) -> None:
        """Start every process that does not run, and have the bank send its webhooks here."""
        super().start()
        if not self._endpoint:
            self.admin("settings", **BANK)
            made = self.admin("webhook_endpoints", url=self.hook, secrets=list(SECRETS[:1]), misbehaviour=HABITS[0])
            self._endpoint = made["id"]

    @property
    def hook(self) -> str:
        """Return the address for webhooks."""
        return f"http://127.0.0.1:{self.port}/webhooks/stripe"

    def admin(self, path: str, **body: Any) -> Any:
        """Do something behind the bank's back, as soon as it lives; what it answers."""
        answers: list[Any] = []

        def has_answered() -> bool:
            with suppress(requests.RequestException):
                found = requests.post(f"{self.bank.url}/_simulator/stripe/{path}", json=body, timeout=10)
                answers.append((found.status_code, found.json()))
            return bool(answers)

        wait_until(has_answered, lambda: f"{path}: the bank does not answer", PATIENCE)
        status, told = answers[0]
        assert status == 200, (path, told)
        return told

    def chaos(self, random: Random) -> Mapping[str, Callable[[], None]]:
        """Return the faults: forged notices, lies, misbehaving webhooks, and catching up with lost ones."""

        def trouble_webhooks() -> None:
            self.admin(f"webhook_endpoints/{self._endpoint}", misbehaviour=dict(random.choice(HABITS)))

        return {
            "forge_notices": self.forger.forge,
            "lie_in_notices": self.forger.lie,
            "trouble_webhooks": trouble_webhooks,
            "catch_up": lambda: self._catch_up(must=False),
        }

    def let_customer_act(self, step: Step) -> None:
        """Let the customer confirm, fail, or let the time end, once asked; a late customer acts meanwhile."""
        acts = step.payer.acts if isinstance(step, StripeStep) else ""
        url = next((url for heard in step.intent.heard if (url := _page(heard))), None)
        if not acts or url is None or step.intent.finals:
            return
        if acts in {"stays away", "is late"}:
            self._end_action(step.intent)
        if acts != "stays away":
            with suppress(requests.RequestException):  # a bank that is dead just now gets the request again
                requests.post(url, {"success": str(acts != "fails").lower()}, timeout=10, allow_redirects=False)
        self._acted[step.intent.key or ""] = acts

    def come_to_pass(self, story: Story) -> None:
        """Cause a dispute, a refund that comes back, or a hold that ends."""
        if isinstance(story, StripeStory) and self._fates.happen(story):
            self.told[story.fate] += 1

    def has_declined(self, intent: Intent) -> bool:
        """As ever; or the bank has an intent of this wish that is cancelled and moved nothing, or the refund is back.

        Return whether a returned refund was refused, with no other end reported to its caller.
        """
        if super().has_declined(intent):
            return True
        if intent.kind != "refund":
            return False
        back = self.account.came_back()
        asked = [row for row in self.account.operations() if (row["kind"], row["amount"]) == ("refund", intent.amount)]
        heard = intent.finals[0]
        return any(row["gateway_key"] in back for row in asked) and heard.status >= 400

    def oracle(self, tables: Tables, intents: Sequence[Intent]) -> Oracle:
        """Return the judge of money at Stripe."""
        return StripeOracle(tables, self.account, intents, forger=self.forger)

    def settle(self, patience: float = PATIENCE) -> float:
        """Settle as the base class does; then end all pending events at the bank, and fetch its lost notices."""
        began = time.monotonic()
        self.admin(f"webhook_endpoints/{self._endpoint}", misbehaviour={})
        super().settle(patience)
        time.sleep(BANK["late_after"] + 0.5)
        self._catch_up(must=True)
        with closing(Tables(self.url)) as tables:

            def is_known() -> bool:
                time.sleep(0.2)
                tables.end_pauses_of_notices()
                return not tables.rows("gateway_notices", "notice_id", "due_at IS NOT NULL")

            wait_until(is_known, lambda: str(tables.rows("gateway_notices", "1", "due_at IS NOT NULL")[:3]), patience)
        super().settle(patience)
        return time.monotonic() - began

    def verify(self) -> list[str]:
        """Return the violations of the service's own audit, and the report of reconciliation."""
        self.told.update(self.forger.counted)
        self.told.update(f"customer {acts}" for acts in self._acted.values())
        self.told["webhooks"] = len(list(self.account.deliveries()))
        since, until = self._began - AROUND, datetime.now(UTC) + AROUND
        return super().verify() + self.flask("reconcile", "--from", since.isoformat(), "--to", until.isoformat())

    def _settings(self) -> dict[str, Any]:
        own = {**super()._settings(), "gateway": "stripe", "stripe_api_key": "sk_test_of_torture"}
        own |= {"stripe_api_base": self.bank.url}
        del own["gateway_url"]
        return own | {"gateway_action_ttl": ACTION_TTL}

    def _environment(self) -> dict[str, str]:
        return super()._environment() | {"STRIPE_WEBHOOK_SECRETS": ",".join(SECRETS)}

    def _objects(self) -> Sequence[dict[str, Any]]:
        return self.account.objects("payment_intent") + self.account.objects("refund")

    def _end_action(self, intent: Intent) -> None:
        """Let the customer's time end."""
        # The run asks a database that is away again.
        with suppress(psycopg2.Error, sqlite3.Error), closing(Tables(self.url)) as tables:
            key = tables.key(intent.key_hash)
            if key is not None and key["action"]:
                action = json.loads(key["action"]) | {"expires_at": LONG_OVER}
                tables.set_action(intent.key_hash, json.dumps(action))

    def _catch_up(self, *, must: bool) -> None:
        """Fetch the notices that never came; in the middle of a run the bank or the database may be away."""
        status = self.fork("catch_up").wait(PATIENCE)
        assert status == 0 or not must, f"catching up ended with status {status}"


def _page(heard: Heard) -> str | None:
    """Return the page to which an answer sends the customer."""
    if heard.status != 202:
        return None
    body = heard.json
    action = body.get("next_action") or body.get("nextAction") or body.get("payment", {}).get("next_action") or {}
    return action.get("url")
