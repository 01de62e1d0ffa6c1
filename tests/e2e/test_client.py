"""The Python client against a faulty service and gateway: one charge for one key in every case."""

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

from payment_service_client import Declined, Mismatch, OutcomeUnknown, PaymentClient, Refused
from tests.support.ports import free_port
from tests.support.processes import ROOT, Service
from tests.support.simulator import Simulator, running_simulator
from tests.support.tokens import token

AMOUNT = Decimal("150.00")


class Chain:
    """A service that can be killed and started again, and the gateway behind it."""

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
            # As short as they may be beside each other: the operations of a killed service are free again after 5 s.
            "GATEWAY_CONNECT_TIMEOUT": "0.2",
            "GATEWAY_READ_TIMEOUT": "0.5",
            "GUNICORN_TIMEOUT": "3",
            "NGINX_TIMEOUT": "4",
            "LEASE_SECONDS": "5",
            "IDEMPOTENCY_WAIT": "0.1",
        }
        self._service: Service | None = None

    def open(self) -> None:
        """Start the service, if it does not run."""
        if self._service is None:
            self._service = Service(str(ROOT / "bin" / "run"), settings=self._settings)

    def kill(self) -> None:
        """Kill every process of the service, at once."""
        assert self._service is not None
        self._service.close()
        self._service = None

    def close(self) -> None:
        if self._service is not None:
            self.kill()

    def charged(self) -> list[int]:
        """Return how often each charge of the gateway happened."""
        return sorted(self.bank.count("charge").values())


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="client-", dir="/tmp"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        bank = stack.enter_context(running_simulator(home))
        chain = Chain(home, bank)
        stack.callback(chain.close)
        yield chain


@pytest.fixture
def client(chain: Chain) -> Iterator[PaymentClient]:
    """Return the client; end the gateway's faults after the test."""
    chain.open()
    yield PaymentClient(chain.url)
    chain.bank.disarm()


def test_client_waits_for_a_service_that_is_not_there_yet(client: PaymentClient) -> None:
    paid = client.trips.pay(101, "CARD", AMOUNT, key="before-it-runs")
    assert paid.status == "SUCCESS"
    assert client.trips.pay(101, "CARD", AMOUNT, key="before-it-runs") == paid


def test_client_refunds_a_part_and_then_the_rest(client: PaymentClient) -> None:
    paid = client.trips.pay(102, "CARD", AMOUNT, key="to-be-refunded")
    part = client.trips.refund(paid.payment_id, Decimal("50.50"), key="refund-1")
    assert client.trips.refund(paid.payment_id, Decimal("50.50"), key="refund-1") == part
    assert client.trips.refund(paid.payment_id, key="refund-2").refund_amount == Decimal("99.5")
    with pytest.raises(Refused) as refused:
        client.trips.refund(paid.payment_id, key="refund-3")
    assert refused.value.code == "illegal_move"


def test_decline_is_final_and_a_new_key_tries_again(client: PaymentClient, chain: Chain) -> None:
    chain.bank.arm("decline", times=1, code="CARD_DECLINED", message="Card was declined by issuer")

    def declined_code() -> str:
        with pytest.raises(Declined, match="Card was declined by issuer") as declined:
            client.trips.pay(103, "CARD", AMOUNT, key="declined")
        return declined.value.code

    assert [declined_code() for _ in range(2)] == ["CARD_DECLINED"] * 2
    assert client.trips.pay(103, "CARD", AMOUNT, key="declined-2").status == "SUCCESS"


@pytest.mark.parametrize("fault", ["drop_after_effect", "error_after_effect", "garbage", "drop_before_effect"])
def test_client_finds_the_outcome_of_a_lost_answer(client: PaymentClient, chain: Chain, fault: str) -> None:
    before = chain.charged()
    chain.bank.arm(fault, kind="charge", times=1)
    assert client.trips.pay(104, "CARD", AMOUNT, key=f"lost-{fault}").status == "SUCCESS"
    assert chain.charged() == [*before, 1]


def test_client_repeats_until_a_slow_bank_decides(client: PaymentClient, chain: Chain) -> None:
    chain.bank.arm("pending", kind="charge", times=1, lookups=1)
    assert client.trips.pay(105, "CARD", AMOUNT, key="patience").status == "SUCCESS"


def test_client_waits_for_a_bank_that_is_down(client: PaymentClient, chain: Chain) -> None:
    before = chain.charged()
    chain.bank.kill()
    opening = threading.Timer(1.5, chain.bank.start)
    opening.start()
    assert client.trips.pay(106, "CARD", AMOUNT, key="bank-down").status == "SUCCESS"
    opening.join()
    assert chain.charged() == [*before, 1]


def test_client_continues_after_the_service_was_killed_during_a_charge(client: PaymentClient, chain: Chain) -> None:
    before = chain.charged()
    chain.bank.arm("sleep_then_answer", kind="charge", times=1, ms=400)
    with ThreadPoolExecutor(1) as threads:
        paying = threads.submit(client.trips.pay, 107, "CARD", AMOUNT, key="killed")
        chain.bank.wait_until_struck()
        chain.kill()
        time.sleep(0.3)
        chain.open()
        assert paying.result().status == "SUCCESS"
    assert chain.charged() == [*before, 1]


def test_two_clients_with_one_key_charge_once(client: PaymentClient, chain: Chain) -> None:
    before = chain.charged()
    chain.bank.arm("sleep_then_answer", kind="charge", times=1, ms=300)
    with ThreadPoolExecutor(4) as threads:
        paid = set(threads.map(lambda _: client.trips.pay(108, "CARD", AMOUNT, key="together"), range(4)))
    assert len(paid) == 1
    assert chain.charged() == [*before, 1]


def test_client_reports_an_invalid_request_at_once(client: PaymentClient) -> None:
    began = time.monotonic()
    with pytest.raises(Refused, match="method must be one of") as refused:
        client.trips.pay(109, "BARTER", AMOUNT, key="bad")  # type: ignore[arg-type]
    assert refused.value.code == "validation_error"
    client.trips.pay(109, "CARD", AMOUNT, key="used")
    with pytest.raises(Mismatch, match="different: amount") as mismatch:
        client.trips.pay(109, "CARD", Decimal(151), key="used")
    assert mismatch.value.fields == ("amount",)
    assert time.monotonic() - began < 5


def test_client_gives_up_in_time_and_the_same_key_charges_once(client: PaymentClient, chain: Chain) -> None:
    before = chain.charged()
    chain.bank.arm("pending", kind="charge", times=1, lookups=1)
    with pytest.raises(OutcomeUnknown, match="call again with the key given-up"):
        PaymentClient(chain.url, deadline=0.1).trips.pay(110, "CARD", AMOUNT, key="given-up")
    later = client.trips.pay(110, "CARD", AMOUNT, key="given-up")
    assert later.status == "SUCCESS"
    assert chain.charged() == [*before, 1]


def test_client_reports_a_bad_token_at_once(client: PaymentClient, chain: Chain) -> None:
    with pytest.raises(Refused) as refused:
        PaymentClient(chain.url, token=token("ada", secret="not-the-secret-of-this-service-at-all")).trips.pay(
            111, "CARD", AMOUNT, key="token"
        )
    assert refused.value.code == "TOKEN_INVALID"
