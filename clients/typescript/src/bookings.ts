/** The channel of bookings: a payment is created, processed later, and refunded as a whole. Every call needs a token. */

import { type Of, amount, integer, list, moment, named, nullable, optional, record, text, truth } from "./decoding.js";
import { Channel } from "./sending.js";
import { type Charging, type Keyed, chosen, segment } from "./wire.js";

export type BookingStatus = "pending" | "processing" | "completed" | "failed" | "refunded" | "cancelled";

const bookingPayment = record({
  paymentId: text,
  userId: text,
  bookingId: text,
  amount,
  currency: text,
  status: named<BookingStatus>(),
  paymentMethod: nullable(text),
  transactionRef: nullable(text),
  createdAt: moment,
  updatedAt: moment,
  refundedAmount: amount,
  callerReference: optional(text),
  failureCode: optional(text),
  failureMessage: optional(text),
});

/** The payment of a booking. `callerReference` is the `transactionRef` of a status change. */
export type BookingPayment = Of<typeof bookingPayment>;

const bookingRefund = record({
  refundId: text,
  amount,
  status: named<"refunded" | "pending" | "failed">(),
  createdAt: moment,
});

/** The refund of a booking's payment. */
export type BookingRefund = Of<typeof bookingRefund>;

const bookingChange = record({ message: text, payment: bookingPayment, refund: optional(bookingRefund) });

/** A payment after a change, with the refund if there is one. */
export type BookingChange = Of<typeof bookingChange>;

const bookingPage = record({
  payments: list(bookingPayment),
  pagination: record({
    page: integer,
    perPage: integer,
    total: integer,
    pages: integer,
    hasNext: truth,
    hasPrev: truth,
    before: nullable(text),
  }),
});

/** A page of the user's own payments, newest first. `before`, sent with every further page, keeps later ones out. */
export type BookingPage = Of<typeof bookingPage>;

export interface CreateBooking extends Keyed {
  bookingId: string;
  amount: string;
  currency?: string;
  paymentMethod?: string;
}

export interface ProcessBooking extends Charging {
  paymentId: string;
}

export interface RefundBooking extends Keyed {
  paymentId: string;
}

export interface ChangeBooking extends Charging {
  paymentId: string;
  status: BookingStatus;
  transactionRef?: string;
}

export interface ListBookings {
  page?: number;
  perPage?: number;
  before?: string;
}

/** The requests about payments of bookings. Every method rejects with a PaymentError. */
export class Bookings extends Channel {
  /** Create a pending payment, in USD without `currency`. No money moves until it is processed. */
  async create({ key, ...body }: CreateBooking): Promise<BookingChange> {
    return this.post(bookingChange, "/api/payments", { body, key });
  }

  /** Charge a pending payment. A decline is Declined, and ends the payment: create another one. */
  async process({ paymentId, key, terms }: ProcessBooking): Promise<BookingChange> {
    return this.post(bookingChange, `/api/payments/${segment(paymentId)}/process`, { key, terms });
  }

  /** Refund a completed payment as a whole. */
  async refund({ paymentId, key }: RefundBooking): Promise<BookingChange> {
    return this.post(bookingChange, `/api/payments/${segment(paymentId)}/refund`, { key });
  }

  /** Cancel or fail a pending payment. What moves money needs the scope `payments:service`. */
  async changeStatus({ paymentId, key, terms, ...body }: ChangeBooking): Promise<BookingChange> {
    const path = `/api/payments/${segment(paymentId)}/status`;
    return this.send(bookingChange, { method: "PATCH", path, body, key: chosen(key), terms });
  }

  /** One payment of the user's own. */
  async get({ paymentId }: { paymentId: string }): Promise<BookingPayment> {
    return this.look(bookingPayment, `/api/payments/${segment(paymentId)}`, { part: "payment" });
  }

  /** The user's own payments of a booking; there may be none. */
  async getByBooking({ bookingId }: { bookingId: string }): Promise<readonly BookingPayment[]> {
    return this.look(list(bookingPayment), `/api/payments/booking/${segment(bookingId)}`, { part: "payments" });
  }

  /** A page of at most 100 of the user's own payments, newest first. */
  async list({ page = 1, perPage = 20, before }: ListBookings = {}): Promise<BookingPage> {
    return this.look(bookingPage, "/api/payments", { query: { page, perPage, before } });
  }
}
