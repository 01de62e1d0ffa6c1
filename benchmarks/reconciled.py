"""Reconciling a large day, in bounds of time and memory: `make reconcile-large`, or with `--intents 20000`.

PostgreSQL has as many payments as a server of Stripe's lists, with charges, balance transactions and a payout, all in
the simulator's form; a few differ. The command runs as operators run it. Server, database and command share the
machine's cores.
"""

import argparse
import csv
import json
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.servers import ROOT, MeasuredPostgres, create
from benchmarks.stripe_lists import AT, NUMBER, PAYOUT, Day, Objects, serve
from benchmarks.years import execute, fill
from tests.support.processes import environment
from tests.support.stripe_bank import stripe_bank

DAY = (datetime.now(UTC) - timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
MOST_SECONDS, MOST_MEGABYTES = 180.0, 200.0
DIFFER = {"amount": 3, "not_here": 7}
"""The number of differences of each kind."""

_OURS = """
UPDATE payments SET gateway = 'stripe/test', status = 'CAPTURED', currency = 'USD',
    charge_reference = 'pi_' || payment_id;
UPDATE idempotency_keys SET operation_status = 'SUCCEEDED', currency = 'USD', gateway_reference = 'pi_' || payment_id,
    gateway_key = 'v1-' || payment_id, created_at = timestamptz '{day}' + payment_id * interval '{step} microseconds',
    updated_at = timestamptz '{day}' + payment_id * interval '{step} microseconds';
UPDATE idempotency_keys SET amount = 1 WHERE payment_id <= {amount};
DELETE FROM idempotency_keys WHERE payment_id > {amount} AND payment_id <= {amount} + {not_here};
"""


def sample(home: Path) -> Objects:
    """Return one payment's objects in the simulator's form, with placeholders for numbers and times."""
    with stripe_bank(home) as bank:
        intent = bank.paid(15_010)
        with closing(sqlite3.connect(bank.simulator.ledger_path)) as db:
            rows = db.execute("SELECT object, body FROM stripe_objects WHERE id = ? OR parent IN (?, ?)",
                              (intent.id, intent.id, intent.latest_charge))  # fmt: skip
            found: Objects = {kind: json.loads(body) for kind, body in rows}
    names = {"payment_intent": "pi", "charge": "ch", "balance_transaction": "txn"}
    ids = {kind: f"{prefix}_{NUMBER}" for kind, prefix in names.items()}
    known: dict[str, Any] = {"metadata": {"gateway_key": f"v1-{NUMBER}"}}
    more: Objects = {
        "payment_intent": known | {"latest_charge": ids["charge"]},
        "charge": known | {name: ids[name] for name in ("payment_intent", "balance_transaction")},
        "balance_transaction": {"source": ids["charge"]},
    }
    return {kind: found[kind] | more[kind] | {"id": ids[kind], "created": AT} for kind in names}


@contextmanager
def stripe_of(day: Day) -> Iterator[str]:
    """Serve the day's lists in a separate process; yield the server's address."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=serve, args=(day, sender.send), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{receiver.recv()}"
    finally:
        process.terminate()
        process.join()


def measured(settings: dict[str, str], report: Path) -> tuple[int, float, float, float]:
    """Return exit code, seconds, seconds of CPU and peak megabytes of the command."""
    words = ("reconcile", "--from", DAY.date().isoformat(), "--to", DAY.date().isoformat(), "--output", str(report))
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "wsgi", *words],
        cwd=ROOT,
        env=environment(**settings, LOG_LEVEL="WARNING"),
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu = used.ru_utime + used.ru_stime
    return process.returncode, time.perf_counter() - began, cpu, used.ru_maxrss / 1024


def main() -> int:
    """Make both sides, reconcile, compare with the bounds; return 1 if one is broken."""
    parser = argparse.ArgumentParser(description="Reconcile a large day.")
    parser.add_argument("--intents", type=int, default=100_000)
    intents: int = parser.parse_args().intents
    with TemporaryDirectory() as home, closing(MeasuredPostgres()) as server:
        url = create(server, "large")
        fill(server, "large", intents)
        step = 86_400_000_000 // (intents + 1)
        execute(server, "large", _OURS.format(day=DAY.isoformat(), step=step, **DIFFER))
        report = Path(home) / "report.csv"
        with stripe_of(Day(DAY, intents, sample(Path(home)))) as address:
            settings = {"STRIPE_API_KEY": "sk_test_large", "STRIPE_API_BASE": address, "STRIPE_READ_TIMEOUT": "5"}
            exit_code, seconds, cpu, megabytes = measured(settings | {"DATABASE_URL": url}, report)
        with report.open(encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    found = Counter(row["difference"] for row in rows if row["difference"])
    paid_out = sum(row["payout"] == PAYOUT for row in rows)
    summary = f"{seconds:.0f} s ({cpu:.0f} s of CPU), {megabytes:.0f} MB, {paid_out} with their payout"
    print(f"{rows[-1]['what']}; {summary}", flush=True)
    is_right = (exit_code, dict(found), paid_out) == (1, DIFFER, intents)
    if not is_right:
        print(f"exit code {exit_code}, differences {dict(found)} instead of {DIFFER}", file=sys.stderr)
    return 0 if is_right and seconds <= MOST_SECONDS and megabytes <= MOST_MEGABYTES else 1


if __name__ == "__main__":
    sys.exit(main())
