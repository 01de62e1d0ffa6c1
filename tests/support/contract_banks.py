"""The gateways that the port's laws are tested with: each adapter before a bank that it can speak to."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from payment_service.domain.operations import Kind, Terms
from payment_service.gateways.base import (
    ActionRequired,
    Approved,
    Gateway,
    GatewayRequest,
    Pending,
    Registered,
    RegisteringGateway,
    SendResult,
)
from payment_service.gateways.mollie import MollieGateway
from payment_service.gateways.remote import RemoteGateway
from payment_service.gateways.simulated import SimulatedGateway, SuccessRates
from payment_service.gateways.stripe import StripeGateway
from tests.support.instructions import PATIENT, instruct
from tests.support.localstripe import localstripe
from tests.support.mollie_bank import KEY, MollieBank, mollie_bank
from tests.support.mollie_objects import NOT_OF_THE_CUSTOMER
from tests.support.registering_remote import RegisteringRemoteGateway
from tests.support.simulator import running_simulator

OURS = ("simulated", "remote")
"""The banks that are ours and speak our words: magic amounts, drawn odds, reasons."""

STRIPES = ("stripe", "localstripe")
"""Stripe's adapter before our simulator, and before an independent Stripe."""

ALL = (*OURS, *STRIPES, "mollie", "remote-registering")
REMEMBERING = ("remote", "remote-registering", *STRIPES, "mollie")
"""The banks that keep a ledger: a look-up reports past outcomes, not expected ones."""
REGISTERING = (*STRIPES, "mollie", "remote-registering")
"""The banks that register charges and authorizations first."""

NOT_OF_THE_BANK = Decimal("402.02")


@dataclass(frozen=True)
class Bank:
    """A gateway, and what its bank approves and declines.

    `paying` and `declined` are the changes of a request that lead there. `outside` lets the customer act, and the bank
    finish what waits, where nothing is decided at once.
    """

    name: str
    gateway: Gateway
    paying: dict[str, Any] = field(default_factory=dict)
    declined: dict[str, Any] = field(default_factory=lambda: {"amount": NOT_OF_THE_BANK})
    outside: Callable[[GatewayRequest], None] | None = None

    @property
    def registers(self) -> bool:
        """Whether charges are registered first."""
        return Kind.CHARGE in self.gateway.capabilities.registers

    @property
    def registering(self) -> RegisteringGateway:
        """The gateway, where it registers and cancels."""
        return cast("RegisteringGateway", self.gateway)

    def asked(self, kind: Kind = Kind.CHARGE, amount: str = "150.00", **changes: Any) -> GatewayRequest:
        """A request that the bank approves, unless `changes` say otherwise; registered where that comes first."""
        request = instruct(kind, amount, **(self.paying | changes))
        if kind not in self.gateway.capabilities.registers:
            return request
        registered = self.registering.register(request)
        assert isinstance(registered, Registered), registered
        return replace(request, reference=registered.reference)

    def refused(self, kind: Kind = Kind.CHARGE) -> GatewayRequest:
        """Return a request that the bank declines."""
        changes = dict(self.declined)
        return self.asked(kind, str(changes.pop("amount", "150.00")), **changes)

    def send(self, request: GatewayRequest) -> SendResult:
        """Send the request; once more after the customer or bank has acted."""
        answer = self.gateway.send(request)
        if self.outside is None or not isinstance(answer, ActionRequired | Pending):
            return answer
        self.outside(request)
        return self.gateway.send(request)

    def done(self, request: GatewayRequest) -> GatewayRequest:
        """Return the request, after the gateway approved it."""
        answer = self.send(request)
        assert isinstance(answer, Approved), answer
        return request

    def child(self, parent: GatewayRequest, kind: Kind, amount: str, **changes: Any) -> GatewayRequest:
        """Return a capture, void or refund of a charge or hold."""
        known = {"parent_key": parent.gateway_key, "parent_reference": parent.reference, "currency": parent.currency}
        return instruct(kind, amount, **(known | changes))

    def moved(self, *requests: GatewayRequest) -> list[int]:
        """Return how often the gateway's ledger has each of them."""
        keys = [entry.gateway_key for entry in self.gateway.ledger(None, None) if isinstance(entry.kind, Kind)]
        return [keys.count(request.gateway_key) for request in requests]


@contextmanager
def bank(name: str, home: Path, **options: object) -> Iterator[Bank]:
    """Yield a bank by its name, with its ledger in the directory `home`; `options` are the simulator's."""
    if name == "simulated":
        rates = cast("dict[str, float]", options)
        checkout = {"checkout": rates.get("checkout_success_rate", 1.0)}
        yield Bank(name, SimulatedGateway(SuccessRates(rates.get("success_rate", 1.0), checkout)))
        return
    with ExitStack() as stack:
        if name == "localstripe":
            url = stack.enter_context(localstripe())
            yield before_stripe(stack, name, url, declined="pm_card_chargeCustomerFail")
            return
        if name == "mollie":
            yield before_mollie(stack, stack.enter_context(mollie_bank()))
            return
        simulator = stack.enter_context(running_simulator(home, **options))
        if name == "remote":
            yield Bank(name, stack.enter_context(closing(RemoteGateway(simulator.url))))
        elif name == "remote-registering":
            yield Bank(name, stack.enter_context(closing(RegisteringRemoteGateway(simulator.url))))
        else:
            yield before_stripe(stack, name, simulator.url, declined="pm_card_chargeDeclined")


def before_stripe(stack: ExitStack, name: str, url: str, *, declined: str) -> Bank:
    """Stripe's adapter before something that speaks Stripe at `url`; `declined` is a token of a card that pays not."""
    gateway = StripeGateway("sk_test_simulator", base=url, connect_timeout=PATIENT, read_timeout=PATIENT)
    stack.enter_context(closing(gateway))
    return Bank(name, gateway, {"terms": Terms("pm_card_visa")}, {"terms": Terms(declined)})


def before_mollie(stack: ExitStack, bank: MollieBank) -> Bank:
    """Return Mollie's adapter before a bank with customers who pay as soon as they are asked."""
    gateway = MollieGateway(KEY, base=bank.url, connect_timeout=PATIENT, read_timeout=PATIENT)
    stack.enter_context(closing(gateway))

    def outside(request: GatewayRequest) -> None:
        if request.reference is not None:
            bank.act(request.reference)
        bank.settle()

    terms = Terms(return_url="https://shop.example.com/back")
    return Bank("mollie", gateway, {"terms": terms}, {"amount": NOT_OF_THE_CUSTOMER}, outside)
