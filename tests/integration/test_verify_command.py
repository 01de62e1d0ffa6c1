"""`flask verify`: its exit codes, and how a violation reads."""

from flask import Flask

from payment_service.services.later_verification import Violation
from tests.support.callers import pay_trip


def test_verify_without_violations_exits_0(app: Flask) -> None:
    pay_trip(app.test_client())
    said = app.test_cli_runner().invoke(args=["verify"])
    assert (said.exit_code, said.output) == (0, "no violations\n")


def test_violation_is_printed_in_one_line() -> None:
    assert str(Violation("S1", "gateway key k", "2 effects")) == "S1 gateway key k: 2 effects"
