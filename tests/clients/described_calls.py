"""A call of every method, and the schema of the served description that its answer has."""

from typing import Any

Described = tuple[str, dict[str, Any], str, str | None]

DESCRIBED: list[Described] = [
    ("trips.pay", {"trip_id": 1, "method": "CARD"}, "TripPayment", None),
    ("trips.refund", {"payment_id": 1}, "TripRefund", None),
    ("trips.get", {"payment_id": 1}, "TripPayment", None),
    ("trips.refunds", {"payment_id": 1}, "TripRefunds", "refunds"),
    ("trips.list", {}, "TripPayments", None),
    ("bills.pay", {"bill_id": 1, "amount": "1", "method": "UPI"}, "BillPayment", None),
    ("bills.get", {"payment_id": 1}, "BillPayment", None),
    ("bills.list", {}, "BillPayment", None),
    ("bookings.create", {"booking_id": "1", "amount": "1"}, "BookingPaymentChange", None),
    ("bookings.process", {"payment_id": "1"}, "BookingPaymentChange", None),
    ("bookings.refund", {"payment_id": "1"}, "BookingPaymentChange", None),
    ("bookings.change_status", {"payment_id": "1", "status": "failed"}, "BookingPaymentChange", None),
    ("bookings.get", {"payment_id": "1"}, "OneBookingPayment", "payment"),
    ("bookings.get_by_booking", {"booking_id": "1"}, "BookingPayments", "payments"),
    ("bookings.list", {}, "BookingPaymentsPage", None),
    (
        "orders.charge",
        {"order_id": 1, "user_id": 1, "amount": "1", "payment_method": "UPI"},
        "OrderPayment",
        None,
    ),
    (
        "orders.create",
        {"order_id": 1, "user_id": 1, "amount": "1", "payment_method": "UPI"},
        "OrderPayment",
        None,
    ),
    ("orders.change_status", {"payment_id": 1, "status": "COMPLETED"}, "OrderPayment", None),
    ("orders.refund", {"payment_id": 1, "reason": "Returned"}, "OrderPayment", None),
    ("orders.cancel", {"payment_id": 1}, "OrderPayment", None),
    ("orders.get", {"payment_id": 1}, "OrderPayment", None),
    ("orders.get_by_order", {"order_id": 1}, "OrderPayment", None),
    ("orders.get_by_transaction", {"transaction_id": "1"}, "OrderPayment", None),
    ("orders.list", {}, "OrderPayments", None),
    ("checkout.process", {"order_id": "1", "amount": "1", "payment_method": "paypal"}, "CheckoutResult", None),
    ("checkout.capture", {"transaction_id": "1"}, "CheckoutResult", None),
    ("checkout.void", {"transaction_id": "1"}, "CheckoutResult", None),
    ("checkout.refund", {"transaction_id": "1", "amount": "1"}, "CheckoutRefund", None),
    ("checkout.get", {"payment_id": "1"}, "CheckoutPayment", None),
    ("checkout.get_by_order", {"order_id": "1"}, "CheckoutPayment", None),
    ("checkout.get_by_transaction", {"transaction_id": "1"}, "CheckoutPayment", None),
    ("key_state", {"key": "k"}, "KeyState", None),
]
"""Method, its required arguments, schema, and the field of the schema that the method returns (None: all of it)."""
