"""Each view of an operator leaves a log line with the name and the ids on the page, and no personal data."""

import json

from tests.conftest import Lines, MakeApp
from tests.support.callers import pay_bill, pay_trip, trip_id_of
from tests.support.operators import signed_in
from tests.support.tokens import bearer


def test_view_of_a_payment_is_logged_with_operator_and_ids(make_app: MakeApp, lines: Lines) -> None:
    app = make_app(log_level="INFO")
    client, maria = app.test_client(), signed_in(app)
    who = bearer("canary-subject")
    first = trip_id_of(pay_trip(client, headers=who, idempotency_key="canary-1", trip_id=7))
    pay_bill(client, "canary-2", headers=who, bill_id=7)
    lines()
    maria.get(f"/ops/payments/{first}")
    maria.get("/ops/search?q=7")
    maria.get("/ops/search?q=canary-nothing")
    maria.get("/ops/payments/999999")
    written = lines()
    views = [line for line in written if line["event"] == "ops.viewed"]

    assert views[0]["ids"] == [first]
    assert {(line["operator"], line["object"]) for line in views} == {("maria", "payment")}
    assert len(views) == 2
    assert first in list(views[1]["ids"])  # type: ignore[call-overload]
    assert "canary" not in json.dumps(written)
