import os

from flask import Flask

from tests.support.card_places import KINDS, card_data
from tests.support.gateways import LedgerGateway
from tests.support.refusals import PAID, Trial

SEED = os.environ.get("MALFORMED_SEED", "20251120")
CASES = 5000
CARD_CASES = 1000


def test_5000_malformed_requests_store_and_send_nothing(app: Flask, gateway: LedgerGateway) -> None:
    trial = Trial(app, SEED)

    trial.run(CASES)

    assert trial.kinds.total() == CASES
    assert len(gateway.sent) == PAID
    assert min(trial.kinds.values()) > 50, trial.kinds


def test_card_data_in_unusual_places_is_refused_and_never_stored(app: Flask, gateway: LedgerGateway) -> None:
    trial = Trial(app, SEED, card_data)

    trial.run(CARD_CASES)

    assert trial.kinds.total() == CARD_CASES
    assert len(gateway.sent) == PAID
    assert len(trial.kinds) == len(set(KINDS))
