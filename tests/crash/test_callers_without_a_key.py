"""kill -9 under checkout callers without a key: a caller without a success keeps its money, wherever a process dies."""

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from random import Random

import pytest

from tests.crash.caller import Intent, ask, ask_and_leave
from tests.crash.keyless import Outcome, payments_of
from tests.crash.later_points import LATER
from tests.crash.points import REGISTERING, points_of, stages
from tests.crash.scenario import Scenario, WorkerSlot
from tests.crash.stages import ADAPTERS, DATABASES, Adapter, Database, Stage
from tests.crash.suite import SEED

TRIALS = int(os.environ.get("KEYLESS_TRIALS") or 0)
"""Trials of each stage on each database in a long run. A short run plays each stage once, on one of the databases."""

CHARGED, STEP, ROUNDS, PAUSE = Decimal(20_000), Decimal("0.05"), 40, 0.05


def _played(adapter: Adapter) -> list[str]:
    """Without C15: an owner that sleeps has its own test below; and a caller that asks once hears nothing later.

    Through Stripe, a short run has the registered charges, and an approval that no notice reported.
    """
    points = [point for point in points_of(adapter) if point not in {"C15", *LATER}]
    return points if TRIALS or adapter == "remote" else ["C4", "C10", *REGISTERING] if adapter == "stripe" else []


CASES = [
    (point, database, adapter)
    for turn, adapter in enumerate(ADAPTERS)
    for number, point in enumerate(_played(adapter))
    for database in (DATABASES if TRIALS else (DATABASES[(number + turn) % 2],))
]
RECOVERIES = ("", "", "recover.after_commit", "gateway.sent", "gateway.answered", "finish.before_commit",
              "finish.after_commit")  # fmt: skip
"""The failpoints at which the first workers may die: on the late approval, or on its reversal."""

QUICK = {"connect_timeout": 0.5, "read_timeout": 0.35, "max_in_flight": 0.8}
"""The adapter's keywords for a bank at which nothing stays on its way for long."""


def want(scenario: Scenario, number: int, kind: str) -> Intent:
    """Return a charge or a hold, without a key, of an amount like no other."""
    amount = CHARGED + number * STEP
    fields = {"order_id": f"ORD-{scenario.name}-{number}", "amount": float(amount), "payment_method": "credit_card"}
    fields["capture"] = kind == "charge"
    path = "/api/v1/payments/process"
    label = f"keyless#{number}"
    return Intent(label, "checkout", kind, None, path, fields, amount, Decimal(-1), asks_once=True)  # type: ignore[arg-type]


def play(scenario: Scenario, stage: Stage, intent: Intent, random: Random) -> Outcome:
    """Play one trial: the request, the death, and workers until the payment has its end."""
    for fault in stage.faults:
        scenario.simulator.arm(fault.name, **({} if fault.on == "lookup" else {"kind": intent.kind}), **fault.scope)
    first = scenario.serve(stage.arm, without_gateway=stage.gateway_is_down, through_proxy=stage.cut is not None)
    if stage.cut and scenario.proxy:
        scenario.proxy.cut(*stage.cut)
    if stage.client_leaves:
        ask_and_leave(first.port, intent.request())
        time.sleep(0.3)
    elif heard := ask(first.port, intent.request()):
        intent.heard.append(heard)
    first.kill()
    for _ in range(2):
        scenario.tables.end_leases()
        place = random.choice(RECOVERIES)
        scenario.recover(f"{place}=kill" if place else "")
    _settle(scenario)
    scenario.simulator.disarm()
    payments = payments_of(intent, scenario.tables.rows("payments", "payment_id"))
    assert len(payments) <= 1
    effects = Counter(each["kind"] for each in scenario.ledger.effects() if each["amount"] == intent.amount)
    # In the cases beyond any protocol the caller heard nothing: an answer that is not true is as good as false.
    told = bool(intent.told) if intent.heard else None
    return Outcome(told, payments[0]["status"] if payments else None, effects)


def _settle(scenario: Scenario) -> None:
    for _ in range(ROUNDS):
        scenario.tables.end_leases()
        assert scenario.recover() == 0
        if not scenario.tables.unfinished():
            return
        time.sleep(PAUSE)
    raise AssertionError(f"unfinished: {scenario.tables.unfinished()}")


@pytest.mark.parametrize(("point", "database", "adapter"), CASES)
def test_keyless_caller_without_a_success_keeps_its_money(
    honest: list[WorkerSlot], database: Database, point: str, adapter: Adapter
) -> None:
    ways = [stage for stage in stages(point, database, adapter) if stage.ends != "review" and not stage.stops]
    wrong = []
    with honest[0].scenario(
        database, gateway=QUICK if adapter == "remote" else None, adapter=adapter, keyless_answer_seconds=0.3
    ) as scenario:
        for number, stage in enumerate(ways * (TRIALS or 1)):
            random = Random(f"{SEED}:{point}:{database}:{number}")
            intent = want(scenario, number, random.choice(["charge", "authorize"]))
            outcome = play(scenario, stage, intent, random)
            # The caller heard nothing after a COMMIT that the owner itself made: no protocol closes that gap.
            died_after_commit = stage.arm.startswith(("finish.after_commit", "answer.begin")) or stage.cut == (
                2,
                "after",
            )
            may_keep = outcome.told is None and (died_after_commit or stage.client_leaves)
            if fault := outcome.fault(intent.kind, may_keep=may_keep):
                wrong.append(f"{stage} {intent.label} {intent.kind}: {fault}: {outcome}")

    assert wrong == [], f"CRASH_SEED={SEED}"


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("place", ["gateway.sent", "gateway.answered"])
def test_owner_that_wakes_up_late_gives_the_same_answer(
    honest: list[WorkerSlot], database: Database, place: str
) -> None:
    """The owner sleeps past its lease, the worker finds the approval and reverses it, then the owner answers."""
    with honest[0].scenario(database, gateway=QUICK) as scenario:
        intent = want(scenario, 0, "charge")
        sleeper = scenario.serve(f"{place}=stop")
        with ThreadPoolExecutor(1) as thread:
            late = thread.submit(ask, sleeper.port, intent.request())
            sleeper.wait_until_stopped()
            _settle(scenario)
            while not late.done():
                if sleeper.is_stopped:
                    sleeper.resume()
                time.sleep(0.01)
            heard = late.result()
        sleeper.kill()
        _settle(scenario)
        (payment,) = scenario.tables.rows("payments", "payment_id")
        effects = Counter(each["kind"] for each in scenario.ledger.effects() if each["amount"] == intent.amount)

    assert heard is None or heard.status != 200 or heard.json["success"] is False
    assert payment["status"] == "FAILED"
    assert effects["charge"] == effects["refund"] <= 1
