/** The channel of a shop's checkout: charge at once, or hold the money first and capture or void it later. */

import { type Of, amount, dictionary, moment, named, nullable, record, text, truth } from "./decoding.js";
import { Channel } from "./sending.js";
import { type Charging, type Json, type Keyed, segment } from "./wire.js";

export type CheckoutMethod = "credit_card" | "debit_card" | "paypal" | "stripe";
export type CheckoutCurrency = "USD" | "EUR" | "GBP";

const checkoutResult = record({
  success: truth,
  transactionId: nullable(text),
  paymentIntentId: nullable(text),
  status: text,
  error: nullable(text),
  paymentId: text,
});

/** A charge, hold, capture or void. `status` is lower-case, unless the service sets `CHECKOUT_STATUS_CASE=upper`. */
export type CheckoutResult = Of<typeof checkoutResult>;

const checkoutRefund = record({ success: truth, refundId: text, amount, error: nullable(text) });

/** One refund of a checkout's payment. */
export type CheckoutRefund = Of<typeof checkoutRefund>;

const checkoutPayment = record({
  id: text,
  orderId: text,
  amount,
  currency: named<CheckoutCurrency>(),
  paymentMethod: named<CheckoutMethod>(),
  status: text,
  transactionId: nullable(text),
  paymentIntentId: nullable(text),
  providerResponse: nullable(dictionary),
  errorMessage: nullable(text),
  createdAt: moment,
  updatedAt: moment,
  authorizedAt: nullable(moment),
  capturedAt: nullable(moment),
  refundedAt: nullable(moment),
  capturedAmount: amount,
  refundedAmount: amount,
});

/** The payment of a checkout. `providerResponse` has `message`, `code` and `authorization_code` of the gateway. */
export type CheckoutPayment = Of<typeof checkoutPayment>;

export interface ProcessCheckout extends Charging {
  orderId: string;
  amount: string;
  paymentMethod: CheckoutMethod;
  currency?: CheckoutCurrency;
  capture?: boolean;
  paymentMethodDetails?: Readonly<Record<string, Json>>;
}

export interface CaptureCheckout extends Keyed {
  transactionId: string;
  amount?: string;
}

export interface VoidCheckout extends Keyed {
  transactionId: string;
}

export interface RefundCheckout extends Keyed {
  transactionId: string;
  amount: string;
  reason?: string;
}

/** The requests about payments of checkouts. Every method rejects with a PaymentError. */
export class Checkout extends Channel {
  /** Charge an order, in USD without `currency`; `capture: false` only holds the money. A decline is Declined. */
  async process({ key, terms, ...body }: ProcessCheckout): Promise<CheckoutResult> {
    return this.post(checkoutResult, "/api/v1/payments/process", { body, key, terms, declinable: true });
  }

  /** Capture a hold, or `amount` of it; the rest is released. */
  async capture({ key, ...body }: CaptureCheckout): Promise<CheckoutResult> {
    return this.post(checkoutResult, "/api/v1/payments/capture", { body, key, declinable: true });
  }

  /** Release a hold. */
  async void({ key, ...body }: VoidCheckout): Promise<CheckoutResult> {
    return this.post(checkoutResult, "/api/v1/payments/void", { body, key, declinable: true });
  }

  /** Refund `amount`. Several refunds add up to at most what was captured. */
  async refund({ key, ...body }: RefundCheckout): Promise<CheckoutRefund> {
    return this.post(checkoutRefund, "/api/v1/payments/refund", { body, key, declinable: true });
  }

  /** One payment. */
  async get({ paymentId }: { paymentId: string }): Promise<CheckoutPayment> {
    return this.look(checkoutPayment, `/api/v1/payments/payment/${segment(paymentId)}`);
  }

  /** The payment that paid an order, or the newest one. */
  async getByOrder({ orderId }: { orderId: string }): Promise<CheckoutPayment> {
    return this.look(checkoutPayment, `/api/v1/payments/order/${segment(orderId)}`);
  }

  /** The payment of a transaction. */
  async getByTransaction({ transactionId }: { transactionId: string }): Promise<CheckoutPayment> {
    return this.look(checkoutPayment, `/api/v1/payments/transaction/${segment(transactionId)}`);
  }
}
