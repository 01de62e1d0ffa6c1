"""Repeats after a restore at a gateway that registers first. Release 1.0.0 knew no such gateway."""

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.gateways.base import Unknown
from payment_service.services import gateway_calls
from payment_service.services.verification import verify
from tests.conftest import dependencies_of
from tests.e2e.test_reconciliation_at_stripe import TOKEN, bank
from tests.support.at_stripe import shop
from tests.support.backups import SavedFile, after_restore
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import recover_all
from tests.support.stripe_bank import StripeBank

__all__ = ["bank", "shop"]

GAP = 1000


def charge(client: FlaskClient, key: str) -> int:
    return trip_id_of(pay_trip(client, headers=TOKEN, idempotency_key=key))


def succeeded(bank: StripeBank) -> list[str]:
    return [each.id for each in bank.intents.list({"limit": 100}).data if each.status == "succeeded"]


@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
@pytest.mark.parametrize("is_forgotten", [False, True], ids=["", "after Stripe has forgotten the keys"])
def test_k4_repeat_adopts_the_charge_at_stripe_at_any_age(
    shop: Flask, bank: StripeBank, database_url: str, tmp_path: Path, *, is_forgotten: bool
) -> None:
    """A repeat registered a new intent, and once Stripe had forgotten the key it charged again."""
    client = shop.test_client()
    old = charge(client, "old")
    saved = SavedFile(shop, database_url, tmp_path)
    lost = charge(client, "new")
    assert refund_trip(client, old, idempotency_key="r-old", amount=10).status_code == 200
    assert refund_trip(client, lost, idempotency_key="r-new", amount=10).status_code == 200
    saved.restore()
    assert after_restore(shop, "--gap", str(GAP)).exit_code == 1
    if is_forgotten:
        bank.admin("forget")
    again = charge(client, "new")
    assert again > GAP
    assert refund_trip(client, old, idempotency_key="r-old", amount=10).status_code == 200
    assert refund_trip(client, again, idempotency_key="r-new", amount=10).status_code == 200
    assert refund_trip(client, again, idempotency_key="r-rest").status_code == 200, "the money is within reach"
    assert list(verify(dependencies_of(shop))) == []
    assert after_restore(shop, "--gap", "0").exit_code == 0


@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
def test_k4_operation_that_was_open_in_the_backup_is_adopted(
    shop: Flask, bank: StripeBank, database_url: str, tmp_path: Path
) -> None:
    """Its owner has committed no id before the back-up, and confirmed the intent after it."""
    client = shop.test_client()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gateway_calls, "_result", lambda *_: Unknown("the process stands still"))
        patch.setattr(dependencies_of(shop).deferred, "add", lambda *_: None)
        assert pay_trip(client, headers=TOKEN, idempotency_key="open", trip_id=9).status_code == 202
    saved = SavedFile(shop, database_url, tmp_path)
    recover_all(dependencies_of(shop))
    [charged] = succeeded(bank)
    saved.restore()
    after_restore(shop, "--gap", str(GAP))
    recover_all(dependencies_of(shop))
    assert succeeded(bank) == [charged]
    assert client.get("/payments/1", headers=TOKEN).get_json()["status"] == "SUCCESS"
    assert list(verify(dependencies_of(shop))) == []
