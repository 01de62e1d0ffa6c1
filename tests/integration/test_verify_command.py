"""`flask verify`: its exit codes, and how a violation reads."""

from flask import Flask

from payment_service.services.later_verification import Violation
from tests.support.callers import pay_trip


def test_the_command_ends_with_0_where_nothing_is_wrong(app: Flask) -> None:
    pay_trip(app.test_client())
    said = app.test_cli_runner().invoke(args=["verify"])
    assert (said.exit_code, said.output) == (0, "no violations\n")


def test_a_violation_reads_as_one_line() -> None:
    assert str(Violation("S1", "gateway key k", "2 effects")) == "S1 gateway key k: 2 effects"
