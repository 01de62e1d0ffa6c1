"""D6: settings that only one process judged.

With `WEBHOOK_SECRET=whsec_nope!` release 1.0.0 took money while its worker crashed; `GATEWAY_URL=http://u:p@h` was a
traceback in each worker process, again and again.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from payment_service.config import ConfigurationError, Settings
from tests.support.markdown import document
from tests.support.processes import ROOT, environment

FAULTY = {
    "WEBHOOK_SECRET": "whsec_nope!",
    "GATEWAY_URL": "http://hunter:hunter2@h",
    "ORDER_SERVICE_URL": "http://orders..test",
    "RABBITMQ_HOST": "rabbit..mq",
    "KAFKA_TOPIC": "..",
    "FAILPOINTS": "claim.after_commit=burn",
    "PROMETHEUS_MULTIPROC_DIR": "/dev/null/metrics",
    "DATABASE_URL": "sqlite:////dev/null/payments.db",
}

PROCESSES = (
    "gunicorn --config gunicorn.conf.py wsgi:app",
    *(f"flask --app wsgi {words}" for words in ("worker", "relay", "recover", "purge", "verify", "db upgrade")),
)


@pytest.mark.parametrize("command", PROCESSES)
def test_d6_every_process_names_every_fault_at_its_start(command: str) -> None:
    """Each process noticed only the settings that it used itself, with a traceback."""
    words = [sys.executable, "-m", *command.split()]
    own = environment(**FAULTY, DOTENV_READ="1")
    result = subprocess.run(words, check=False, capture_output=True, text=True, cwd=ROOT, env=own, timeout=60)
    named = re.findall(r"^  ([A-Z_]+): ", result.stderr, re.MULTILINE)

    assert result.returncode == 1
    assert sorted(named) == sorted(FAULTY)
    assert "Traceback" not in result.stderr
    assert "hunter" not in result.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEBHOOK_SECRET", ","),
        ("WEBHOOK_SECRET", "a-good-one,whsec_"),
        ("WEBHOOK_SECRET", "whsec_bm8"),
        ("GATEWAY_URL", "http://:p@h"),
        ("TRIP_SERVICE_URL", f"http://{'a' * 64}.test"),
        ("RABBITMQ_HOST", "rabbit:5672"),
        ("RABBITMQ_HOST", "guest@rabbit"),
        ("FAILPOINTS", "claim.after_commit=sleep:soon"),
        ("FAILPOINTS", "claim.after_commit=sleep:nan"),
        ("SERVICE_NAME", os.fsdecode(b"caf\xe9")),
    ],
)
def test_d6_value_that_would_fail_later_is_refused_at_the_start(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env({name: value})
    assert [fault.split(":")[0] for fault in caught.value.faults] == [name]


def test_d6_kafka_without_its_client_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service took money, and the relay ended."""
    monkeypatch.setattr("payment_service.config_brokers.find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"KAFKA_BROKERS: needs the packages of requirements-kafka\.txt"):
        Settings.from_env({"KAFKA_BROKERS": "kafka:9092"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEBHOOK_SECRET", "whsec_bm9wZQ==, plain"),
        ("GATEWAY_URL", "https://bank.test:8443/v1/"),
        ("NOTIFICATION_SERVICE_URL", "http://user:pass@notify.test"),
        ("RABBITMQ_HOST", "::1"),
        ("RABBITMQ_HOST", "rabbit_1.mq"),
        ("FAILPOINTS", "claim.after_commit=kill;gateway.sent=sleep:0.5"),
    ],
)
def test_d6_valid_values_are_accepted(name: str, value: str, tmp_path: Path) -> None:
    Settings.from_env({name: value, "PROMETHEUS_MULTIPROC_DIR": f"{tmp_path}/new/metrics"})


def test_d6_document_states_the_limits_of_every_setting() -> None:
    """Every variable of the template stands in the table."""
    names = set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    rows = document("docs/reference/configuration.md").section("What each setting refuses").rows()
    told = {name for cells in rows for name in re.findall(r"`([A-Z][A-Z0-9_]*)`", cells[0])}

    assert names == told
