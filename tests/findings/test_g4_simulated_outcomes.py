"""G4: `verify` does not judge what was decided in the past by the settings of today."""

from dataclasses import replace
from decimal import Decimal

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from payment_service.domain.errors import GatewayUnavailable
from payment_service.gateways.base import NotSent, Unknown
from payment_service.models import payments
from payment_service.services.dependencies import Dependencies
from payment_service.services.verification import money_of, verify
from tests.conftest import MakeApp, dependencies_of
from tests.support import checkouts
from tests.support.bookers import Booker
from tests.support.callers import pay_bill, pay_trip, refund_trip, trip_id_of
from tests.support.gateways import LedgerGateway
from tests.support.orders import charge_order


@pytest.mark.parametrize(("before", "after"), [(1.0, 0.0), (0.0, 1.0), (0.5, 0.0), (0.5, 1.0)])
def test_g4_another_success_rate_is_no_violation(make_app: MakeApp, before: float, after: float) -> None:
    """Release 1.0.0 named every charge that today's rate would decide otherwise."""
    app = make_app(gateway=None, gateway_success_rate=before, checkout_success_rate=before)
    client = app.test_client()
    for number in range(8):
        answer = pay_trip(client, idempotency_key=f"trip-{number}")
        if answer.get_json()["status"] == "SUCCESS":
            refund_trip(client, trip_id_of(answer), idempotency_key=f"refund-{number}", amount=5)
        pay_bill(client, key=f"bill-{number}")
        checkouts.process(client, f"checkout-{number}", order_id=f"order-{number}")
        charge_order(client, f"order-{number}", order_id=number + 1)
    ada = Booker(app, "ada")
    ada.process(ada.made())
    assert not list(verify(dependencies_of(app)))
    later = dependencies_of(make_app(gateway=None, gateway_success_rate=after, checkout_success_rate=after))
    assert not list(verify(later))


def test_g4_violations_within_the_tables_are_still_reported(make_app: MakeApp) -> None:
    """Money that no operation moved is a violation before any gateway."""
    app = make_app(gateway=None)
    pay_trip(app.test_client())
    with dependencies_of(app).database.atomic("test") as connection:
        connection.execute(update(payments).values(captured_amount=Decimal(1)))
    assert {violation.invariant for violation in money_of(dependencies_of(app))} == {"S3", "S14"}


@pytest.mark.parametrize("silence", [NotSent("refused"), Unknown("no answer in time")], ids=["refused", "silent"])
def test_g4_unreachable_gateway_is_no_violation(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, silence: NotSent | Unknown
) -> None:
    """Release 1.0.0 called a success unknown to a gateway that had not answered."""
    gateway.capabilities = replace(gateway.capabilities, lists=False)
    pay_trip(client)
    assert not list(verify(deps))
    gateway.found.append(silence)
    with pytest.raises(GatewayUnavailable):
        list(verify(deps))
    gateway.found.append(silence)
    assert client.application.test_cli_runner().invoke(args=["verify"]).exit_code == 3
