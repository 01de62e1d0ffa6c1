"""The gateway knows the service by a token. Release 1.0.0 had none to send."""

from pathlib import Path

import pytest

from payment_service.gateways.base import Approved, Unknown
from tests.support.instructions import gateway_at, instruct
from tests.support.simulator import running_simulator


@pytest.mark.parametrize(("token", "is_let_in"), [("the-right-one", True), ("another", False), (None, False)])
def test_s7_gateway_with_a_token_refuses_requests_without_it(
    tmp_path: Path, token: str | None, is_let_in: bool
) -> None:
    with running_simulator(tmp_path, token="the-right-one") as bank:
        gateway, charge = gateway_at(bank.url, token=token), instruct()
        sent, found = gateway.send(charge), gateway.lookup(charge)

    assert isinstance(sent, Approved if is_let_in else Unknown)
    assert isinstance(found, Approved if is_let_in else Unknown)
