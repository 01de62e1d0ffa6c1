"""Random walks beside the model where the bank speaks Stripe: customers act, refunds come back, holds end."""

from dataclasses import replace
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.model.at_stripe.model import SECURE, StripeModel, acts
from tests.model.at_stripe.system import StripeSystem
from tests.model.draws import ANY
from tests.model.facts import Asked, Plan
from tests.model.machine import Walk


class StripeWalk(Walk):
    """One example. An amount with a hundredth stands for a card that makes its customer act: Stripe would not charge
    it.
    """

    system: ClassVar[StripeSystem]
    model: StripeModel

    def __init__(self) -> None:
        super().__init__()
        self.model = StripeModel()
        self.heard = 0

    @precondition(lambda self: self.model.waiting())
    @rule(which=ANY, success=st.sampled_from([True, True, False]))
    def customer_acts(self, which: int, *, success: bool) -> None:
        use = self.model.waiting()[which % len(self.model.waiting())]
        assert use.payment is not None
        self.counted(use.payment.status, "act")
        uuid = self.names[use.payment].uuid
        waits = [each for each in self.system.bank.objects("payment_intent") if each["status"] == "requires_action"]
        (intent,) = [each for each in waits if each["metadata"]["payment"] == uuid]
        self.system.bank.admin(f"payment_intents/{intent['id']}/authenticate", success=success)
        self.model.customer_acts(use, success=success)

    @precondition(lambda self: self.model.refunds_told())
    @rule(which=ANY)
    def refund_comes_back(self, which: int) -> None:
        use = self.model.refunds_told()[which % len(self.model.refunds_told())]
        assert use.payment is not None
        self.counted(use.payment.status, "refund comes back")
        uuid = self.names[use.payment].uuid
        mine = [each for each in self.system.bank.objects("refund") if each["metadata"]["payment"] == uuid]
        told = [each for each in mine if (each["amount"], each["status"]) == (use.amount, "succeeded")]
        self.system.bank.admin(f"refunds/{told[0]['id']}/fail")
        self.hear()
        self.model.refund_comes_back(use)

    @precondition(lambda self: self.model.held())
    @rule(which=ANY)
    def hold_ends(self, which: int) -> None:
        payment = self.model.held()[which % len(self.model.held())]
        self.counted(payment.status, "hold ends")
        uuid = self.names[payment].uuid
        held = [each for each in self.system.bank.objects("payment_intent") if each["status"] == "requires_capture"]
        (intent,) = [each for each in held if each["metadata"]["payment"] == uuid]
        self.system.bank.admin(f"payment_intents/{intent['id']}/expire")
        self.hear()
        payment.becomes("CANCELLED")

    @precondition(lambda self: len(self.asked) > self.heard)
    @rule()
    def webhooks_come_again(self) -> None:
        self.counted("webhooks", "again")
        self.heard = len(self.asked) + 5  # not again before another request
        self.hear(again=True)

    def hear(self, *, again: bool = False) -> None:
        """Let the webhooks come; the bank answers all requests that the worker then sends."""
        self.system.bank.plan = Plan()
        self.system.deliver(again=again)

    def ask(self, asked: Asked, plan: Plan, crash: str | None, *, renamed: bool) -> None:
        """Ask as the other walks do. A cancel is not requested while the customer must act."""
        if asked.amount == 1 and asked.payment is None:
            asked = replace(asked, amount=SECURE)
        if asked.action == "cancel" and asked.payment and asked.payment.status == "REQUIRES_ACTION":
            return
        plan = replace(plan, reply="tells") if plan.reply == "lies" else plan
        self.system.is_secure = acts(asked)
        super().ask(asked, plan, crash, renamed=renamed)

    def recover(self, plan: Plan, crash: str | None) -> None:
        """Recover as the other walks do."""
        super().recover(replace(plan, reply="tells") if plan.reply == "lies" else plan, crash)

    def teardown(self) -> None:
        """Let every customer confirm, also one whom the bank asks only now; earlier webhooks change nothing."""
        self.recover(Plan(), None)
        while self.model.waiting():
            self.customer_acts(0, success=True)
        self.hear(again=True)
        super().teardown()
