"""The required end of money that was approved after its caller, without a key, may have heard that it was not."""

from tests.model.facts import Asked, Payment, Use


def approved_late(use: Use) -> Use:
    """Record a late approval, which is reversed at once; return the use of the reversal."""
    payment = paid(use)
    payment.authorized = use.amount
    if use.asked.action == "charge":
        payment.captured = payment.reserved = use.amount
    payment.becomes("PROCESSING")
    use.said = 202, ""
    return _reversal(payment)


def settled(use: Use) -> Use | None:
    """Record the bank's decision about a reversal: the payment has failed, or the next try."""
    payment = paid(use)
    use.said = 200, ""
    if use.truth == "declined":
        payment.becomes("PROCESSING")
        return _reversal(payment)
    payment.refunded, payment.reserved = payment.captured, 0
    payment.becomes("FAILED")
    return None


def paid(use: Use) -> Payment:
    """Return the payment that money moves for."""
    assert use.payment is not None
    return use.payment


def _reversal(payment: Payment) -> Use:
    """No owner has worked on it yet, and it has a timer from the first."""
    action = "refund" if payment.captured else "void"
    asked = Asked(payment.channel, payment.subject, action, None, payment, amount=payment.authorized)
    return Use(asked, payment, payment.authorized, leased=False, fence=0, timer=1, purpose="reversal")
