"""The figures of `make ha`: waits are counted from the database's return on, and readiness is compared with charges."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import pytest

from tests.crash.caller import Intent
from tests.ha.clients import Attempt, TimedLoad, Watch
from tests.ha.faults import ROWS, Row
from tests.ha.report import Report, table


def wish(label: str) -> Intent:
    return Intent(label, "trips", "charge", label, "/payments/process", {}, Decimal(1), Decimal(1))


def load_of(*attempts: tuple[str, float, float, int]) -> TimedLoad:
    load, wishes = TimedLoad("measured", 1, 1), dict[str, Intent]()
    for label, began, ended, status in attempts:
        load.attempts.append(Attempt(began, ended, status, wishes.setdefault(label, wish(label))))
    return load


STEADY = [(f"early {number}", number / 10, number / 10 + 0.05, 200) for number in range(20)]
"""A payment each tenth of a second, for two seconds."""

LATER = [(f"late {number}", 12 + number / 10, 12 + number / 10 + 0.05, 200) for number in range(20)]
"""The same, after ten seconds without."""


def test_a_wait_counts_from_the_moment_at_which_others_are_paid_again() -> None:
    load = load_of(*STEADY, ("stuck", 1.9, 1.95, 503), ("stuck", 13.5, 13.55, 200), *LATER)

    assert load.gap() == pytest.approx(12.05 - 1.95)
    assert load.waited() == pytest.approx(13.55 - 12.05)


def test_a_wait_without_an_outage_counts_as_a_whole() -> None:
    load = load_of(*STEADY, ("stuck", 0.2, 0.3, 409), ("stuck", 1.6, 1.7, 200))

    assert load.waited() == pytest.approx(1.5)


def test_answers_503_count_for_as_long_as_they_come() -> None:
    load = load_of(*(("refused", at / 10, at / 10 + 0.01, 503) for at in (*range(11), *range(50, 61))))

    assert load.refusing() == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ({1.0: 200, 13.0: 200}, (0, 0)),
        ({1.0: 503, 13.0: 200}, (0, 0.25)),
        ({5.0: 503, 6.0: 503}, (0, 0)),
        ({5.0: 200, 6.0: 200, 7.0: 503}, (0.5, 0)),
    ],
    ids=["ready while taken", "not ready while taken", "not ready while refused", "ready while refused"],
)
def test_readiness_is_wrong_where_charges_say_otherwise(looks: Mapping[float, int], expected: Sequence[float]) -> None:
    refused = [(f"refused {at}", at / 10, at / 10 + 0.05, 503) for at in range(40, 80)]
    watch = Watch(1)
    watch.looks = [(began, status, 0.0) for began, status in looks.items()]

    assert watch.wrong(load_of(*STEADY, *refused, *LATER).attempts) == pytest.approx(expected)


def test_a_charge_that_waits_says_nothing_about_readiness() -> None:
    watch = Watch(1)
    watch.looks = [(1.0, 503, 0.0)]

    assert watch.wrong(load_of(("waited", 1.0, 3.0, 200)).attempts) == (0, 0)


def test_not_ready_is_right_while_a_charge_that_began_meanwhile_has_to_wait() -> None:
    watch = Watch(1)
    watch.looks = [(1.0, 503, 1.2)]

    assert watch.wrong(load_of(*STEADY, ("waited", 1.9, 3.5, 200)).attempts) == (0, 0)
    assert watch.wrong(load_of(*STEADY).attempts) == pytest.approx((0, 1.45))


def test_runs_of_a_row_are_one_line() -> None:
    row = Row("crash", "haproxy")
    head, _, line = table([Report(row, gap=2.0, paid=700), Report(row, gap=3.0, paid=800, differing=1)]).splitlines()

    assert len(head.split("|")) == len(line.split("|"))
    assert line.startswith("| PostgreSQL is killed, Patroni starts it again | haproxy | 2 | 1,500 | 3.0 s |")
    assert line.endswith("| 1,499 of 1,500 |")


def test_a_report_complains_of_each_bound() -> None:
    report = Report(ROWS[0], waited=6.1, in_vain=2.1, unready=2.1, differing=1, answers={"200": 5, "502": 1, "503": 9})

    assert len(report.complaints) == 5
    assert Report(ROWS[0], waited=6, in_vain=2, unready=2, answers={"200": 5, "503": 9}).complaints == []


def test_rows_are_different() -> None:
    assert len({(row.name, row.way) for row in ROWS}) == len(ROWS)
