"""The example client against a real service and a bank that misbehaves: one charge for one key, whatever happens."""

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import pytest

from examples.client import Payment, PaymentClient, RefusedError, UndecidedError
from tests.support.ports import free_port
from tests.support.processes import ROOT, Service
from tests.support.simulator import Simulator, running_simulator
from tests.support.tokens import token

AMOUNT = Decimal("150.00")


class House:
    """A service that can be killed and started again, and the bank behind it."""

    def __init__(self, home: Path, bank: Simulator) -> None:
        self.bank = bank
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._settings = {
            "SERVICE_PORT": str(self.port),
            "DATABASE_URL": f"sqlite:///{home}/payments.db",
            "TMPDIR": str(home),
            "DOTENV_READ": "1",
            "GATEWAY_URL": bank.url,
            # As short as they may be beside each other: what a killed service had in hand is free again after 5 s.
            "GATEWAY_CONNECT_TIMEOUT": "0.2",
            "GATEWAY_READ_TIMEOUT": "0.5",
            "GUNICORN_TIMEOUT": "3",
            "NGINX_TIMEOUT": "4",
            "LEASE_SECONDS": "5",
            "IDEMPOTENCY_WAIT": "0.1",
        }
        self._service: Service | None = None

    def open(self) -> None:
        """Start it, if it does not run."""
        if self._service is None:
            self._service = Service(str(ROOT / "bin" / "run"), settings=self._settings)

    def kill(self) -> None:
        """Every process of it, at once."""
        assert self._service is not None
        self._service.close()
        self._service = None

    def close(self) -> None:
        if self._service is not None:
            self.kill()

    def charged(self) -> list[int]:
        """How often each charge of the bank happened."""
        return sorted(self.bank.count("charge").values())


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="example-", dir="/tmp"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        bank = stack.enter_context(running_simulator(home))
        house = House(home, bank)
        stack.callback(house.close)
        yield house


@pytest.fixture
def client(house: House) -> Iterator[PaymentClient]:
    """The example; whatever a test makes the bank do is over at its end."""
    house.open()
    yield PaymentClient(house.url)
    house.bank.disarm()


def test_it_waits_for_a_service_that_is_not_there_yet(client: PaymentClient) -> None:
    paid = client.pay("before-it-runs", 101, "CARD", AMOUNT)
    assert (paid.status, paid.message) == ("SUCCESS", None)
    assert client.pay("before-it-runs", 101, "CARD", AMOUNT) == paid


def test_it_refunds_a_part_and_then_the_rest(client: PaymentClient) -> None:
    paid = client.pay("to-be-refunded", 102, "CARD", AMOUNT)
    part = client.refund("refund-1", paid.payment_id, Decimal("50.50"))
    assert client.refund("refund-1", paid.payment_id, Decimal("50.50")) == part
    assert client.refund("refund-2", paid.payment_id).amount == Decimal("99.5")
    with pytest.raises(RefusedError) as refused:
        client.refund("refund-3", paid.payment_id)
    assert refused.value.code == "illegal_move"


def test_a_decline_is_an_answer_and_another_try_has_another_key(client: PaymentClient, house: House) -> None:
    house.bank.arm("decline", times=1, code="CARD_DECLINED", message="Card was declined by issuer")
    declined = client.pay("declined", 103, "CARD", AMOUNT)
    assert (declined.status, declined.message) == ("FAILED", "Card was declined by issuer")
    assert client.pay("declined", 103, "CARD", AMOUNT) == declined
    assert client.pay("declined-2", 103, "CARD", AMOUNT).status == "SUCCESS"


@pytest.mark.parametrize("fault", ["drop_after_effect", "error_after_effect", "garbage", "drop_before_effect"])
def test_an_answer_that_was_lost_is_found_out(client: PaymentClient, house: House, fault: str) -> None:
    before = house.charged()
    house.bank.arm(fault, kind="charge", times=1)
    assert client.pay(f"lost-{fault}", 104, "CARD", AMOUNT).status == "SUCCESS"
    assert house.charged() == [*before, 1]


def test_it_polls_a_bank_that_takes_its_time(client: PaymentClient, house: House) -> None:
    house.bank.arm("pending", kind="charge", times=1, lookups=1)
    assert client.pay("patience", 105, "CARD", AMOUNT).status == "SUCCESS"


def test_it_waits_for_a_bank_that_is_down(client: PaymentClient, house: House) -> None:
    before = house.charged()
    house.bank.kill()
    opening = threading.Timer(1.5, house.bank.start)
    opening.start()
    assert client.pay("bank-down", 106, "CARD", AMOUNT).status == "SUCCESS"
    opening.join()
    assert house.charged() == [*before, 1]


def test_it_goes_on_with_a_service_that_was_killed_while_the_bank_charged(client: PaymentClient, house: House) -> None:
    before = house.charged()
    house.bank.arm("sleep_then_answer", kind="charge", times=1, ms=400)
    with ThreadPoolExecutor(1) as threads:
        paying = threads.submit(client.pay, "killed", 107, "CARD", AMOUNT)
        house.bank.wait_until_struck()
        house.kill()
        time.sleep(0.3)
        house.open()
        assert paying.result().status == "SUCCESS"
    assert house.charged() == [*before, 1]


def test_two_of_it_with_one_key_pay_once(client: PaymentClient, house: House) -> None:
    before = house.charged()
    house.bank.arm("sleep_then_answer", kind="charge", times=1, ms=300)
    with ThreadPoolExecutor(4) as threads:
        paid = set(threads.map(lambda _: client.pay("together", 108, "CARD", AMOUNT), range(4)))
    assert len(paid) == 1
    assert house.charged() == [*before, 1]


def test_what_is_wrong_with_a_request_is_told_at_once(client: PaymentClient) -> None:
    began = time.monotonic()
    with pytest.raises(RefusedError, match="method must be one of") as refused:
        client.pay("bad", 109, "BARTER", AMOUNT)
    assert refused.value.code == "validation_error"
    client.pay("used", 109, "CARD", AMOUNT)
    with pytest.raises(RefusedError, match="different: amount") as mismatch:
        client.pay("used", 109, "CARD", Decimal(151))
    assert mismatch.value.code == "idempotency_key_mismatch"
    assert time.monotonic() - began < 5


def test_it_gives_up_in_time_and_the_same_key_still_pays_once(client: PaymentClient, house: House) -> None:
    before = house.charged()
    house.bank.arm("pending", kind="charge", times=1, lookups=1)
    with pytest.raises(UndecidedError, match="repeat with the key given-up"):
        PaymentClient(house.url, patience=0.1).pay("given-up", 110, "CARD", AMOUNT)
    later: Payment = client.pay("given-up", 110, "CARD", AMOUNT)
    assert later.status == "SUCCESS"
    assert house.charged() == [*before, 1]


def test_a_bad_token_is_told_at_once(client: PaymentClient, house: House) -> None:
    with pytest.raises(RefusedError) as refused:
        PaymentClient(house.url, token=token("ada", secret="not-the-secret-of-this-service-at-all")).pay(
            "token", 111, "CARD", AMOUNT
        )
    assert refused.value.code == "TOKEN_INVALID"
