import os

from flask import Flask

from tests.support.card_places import KINDS, card_data
from tests.support.gateways import LedgerGateway
from tests.support.refusals import PAID, Trial

SEED = os.environ.get("MALFORMED_SEED", "20251120")
CASES = 5000
CARD_CASES = 1000


def test_five_thousand_malformed_requests_leave_no_trace(app: Flask, gateway: LedgerGateway) -> None:
    trial = Trial(app, SEED)

    trial.run(CASES)

    assert trial.kinds.total() == CASES
    assert len(gateway.sent) == PAID
    assert min(trial.kinds.values()) > 50, trial.kinds


def test_card_data_in_odd_places_is_refused_and_leaves_no_trace(app: Flask, gateway: LedgerGateway) -> None:
    trial = Trial(app, SEED, card_data)

    trial.run(CARD_CASES)

    assert trial.kinds.total() == CARD_CASES
    assert len(gateway.sent) == PAID
    assert len(trial.kinds) == len(set(KINDS))
