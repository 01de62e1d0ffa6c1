/** The channel of orders: an order has one live payment, charged once and refunded in parts or as a whole. */

import { type Of, amount, integer, list, moment, named, nullable, record, text } from "./decoding.js";
import { Channel } from "./sending.js";
import { type Charging, type Keyed, type Terms, segment } from "./wire.js";

export type OrderMethod = "CREDIT_CARD" | "DEBIT_CARD" | "UPI" | "NET_BANKING" | "WALLET" | "COD";
export type OrderStatus = "PENDING" | "PROCESSING" | "COMPLETED" | "REFUNDED" | "FAILED" | "CANCELLED";

const orderTransaction = record({
  transactionLogId: integer,
  transactionType: named<"PAYMENT" | "REFUND">(),
  amount,
  status: named<OrderStatus>(),
  description: text,
  createdAt: moment,
});

/** One line of the audit trail of an order's payment. */
export type OrderTransaction = Of<typeof orderTransaction>;

const orderPayment = record({
  paymentId: integer,
  orderId: integer,
  userId: nullable(integer),
  amount,
  currency: text,
  paymentMethod: named<OrderMethod>(),
  status: named<OrderStatus>(),
  transactionId: text,
  reference: text,
  authorizationCode: nullable(text),
  gatewayResponse: nullable(text),
  createdAt: moment,
  updatedAt: moment,
  completedAt: nullable(moment),
  capturedAt: nullable(moment),
  refundedAmount: amount,
  transactions: list(orderTransaction),
});

/** The payment of an order. COMPLETED stays COMPLETED after a refund in part: see `refundedAmount`. */
export type OrderPayment = Of<typeof orderPayment>;

const orderPage = record({
  total: integer,
  page: integer,
  pageSize: integer,
  before: nullable(text),
  payments: list(orderPayment),
});

/** A page of payments, newest first, without their trails. `before` belongs to every further page. */
export type OrderPage = Of<typeof orderPage>;

/** An amount of at most 100000, in INR without `currency`. */
export interface CreateOrder extends Keyed {
  orderId: number;
  userId: number;
  amount: string;
  paymentMethod: OrderMethod;
  currency?: string;
  reference?: string;
}

export interface ChargeOrder extends CreateOrder, Charging {}

export interface ChangeOrder {
  paymentId: number;
  status: OrderStatus;
  gatewayResponse?: string;
  terms?: Terms;
}

/** `reason` has at least 5 characters. */
export interface RefundOrder extends Keyed {
  paymentId: number;
  reason: string;
  amount?: string;
  orderId?: number;
}

export interface ListOrders {
  status?: OrderStatus;
  paymentMethod?: OrderMethod;
  userId?: number;
  page?: number;
  pageSize?: number;
  before?: string;
}

/** The requests about payments of orders. Every method rejects with a PaymentError. */
export class Orders extends Channel {
  /** Charge an order. A decline is Declined; an order that has a live payment is Refused (`payable_already_paid`). */
  async charge({ key, terms, ...body }: ChargeOrder): Promise<OrderPayment> {
    return this.post(orderPayment, "/v1/payments/charge", { body, key, terms, declinable: true });
  }

  /** Create a pending payment, charged later by `changeStatus`. Fields and refusals are those of `charge`. */
  async create({ key, ...body }: CreateOrder): Promise<OrderPayment> {
    return this.post(orderPayment, "/v1/payments", { body, key });
  }

  /**
   * Charge a pending payment (COMPLETED; a decline is Declined), or give it up (FAILED, CANCELLED).
   *
   * This request has no key: a lost answer or a 202 is OutcomeUnknown. Look the payment up.
   */
  async changeStatus({ paymentId, terms, ...body }: ChangeOrder): Promise<OrderPayment> {
    const path = `/v1/payments/${segment(paymentId)}/status`;
    const declinable = body.status === "COMPLETED";
    return this.send(orderPayment, { method: "PATCH", path, body, declinable, terms });
  }

  /** Refund `amount`, or all that is left. With `orderId` the payment of another order is Refused. */
  async refund({ paymentId, key, ...body }: RefundOrder): Promise<OrderPayment> {
    return this.post(orderPayment, `/v1/payments/${segment(paymentId)}/refund`, { body, key });
  }

  /** Cancel a payment before money moves; a repeat does nothing more, so this request needs no key. */
  async cancel({ paymentId }: { paymentId: number }): Promise<OrderPayment> {
    return this.send(orderPayment, { method: "DELETE", path: `/v1/payments/${segment(paymentId)}` });
  }

  /** One payment with its audit trail. */
  async get({ paymentId }: { paymentId: number }): Promise<OrderPayment> {
    return this.look(orderPayment, `/v1/payments/${segment(paymentId)}`);
  }

  /** The newest payment of an order. */
  async getByOrder({ orderId }: { orderId: number }): Promise<OrderPayment> {
    return this.look(orderPayment, `/v1/payments/order/${segment(orderId)}`);
  }

  /** The payment of a transaction. */
  async getByTransaction({ transactionId }: { transactionId: string }): Promise<OrderPayment> {
    return this.look(orderPayment, `/v1/payments/transaction/${segment(transactionId)}`);
  }

  /** A page of at most 100 payments, newest first. */
  async list({ page = 1, pageSize = 10, ...only }: ListOrders = {}): Promise<OrderPage> {
    return this.look(orderPage, "/v1/payments", { query: { ...only, page, pageSize } });
  }
}
