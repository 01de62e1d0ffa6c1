/** The channel of trips: a finished trip is charged once, and refunded in parts or as a whole. */

import { type Of, amount, integer, list, moment, named, nullable, record, text } from "./decoding.js";
import { Channel } from "./sending.js";
import { type Charging, type Json, type Keyed, segment } from "./wire.js";

export type TripMethod = "CARD" | "UPI" | "WALLET" | "CASH" | "NETBANKING";
export type TripStatus = "PENDING" | "SUCCESS" | "REFUNDED" | "FAILED" | "CANCELLED";

type Metadata = Readonly<Record<string, Json>>;

const tripPayment = record({
  paymentId: integer,
  tripId: integer,
  amount: amount,
  method: named<TripMethod>(),
  status: named<TripStatus>(),
  reference: text,
  createdAt: moment,
  refundedAmount: amount,
});

/** The payment of a trip. SUCCESS stays SUCCESS after a refund in part: see `refundedAmount`. */
export type TripPayment = Of<typeof tripPayment>;

const tripPayments = record({ payments: list(tripPayment), nextCursor: nullable(text) });

/** A page of payments, newest first; `nextCursor` is the `cursor` of the next page. */
export type TripPayments = Of<typeof tripPayments>;

const tripRefund = record({
  paymentId: integer,
  refundId: integer,
  refundAmount: amount,
  status: named<"REFUNDED" | "PENDING" | "FAILED">(),
  timestamp: moment,
});

/** One refund of a trip's payment. */
export type TripRefund = Of<typeof tripRefund>;

export interface PayTrip extends Charging {
  tripId: number;
  method: TripMethod;
  amount?: string;
  metadata?: Metadata;
}

export interface RefundTrip extends Keyed {
  paymentId: number;
  amount?: string;
  tripId?: number;
  metadata?: Metadata;
}

/** A moment `until` is left out, a plain date such as "2026-11-20" is not. */
export interface ListTrips {
  tripId?: number;
  status?: TripStatus;
  method?: TripMethod;
  since?: Date | string;
  until?: Date | string;
  limit?: number;
  cursor?: string;
}

/** The requests about payments of trips. Every method rejects with a PaymentError. */
export class Trips extends Channel {
  /** Charge a trip; without `amount` its fare, from the trip service. A decline is Declined. */
  async pay({ key, terms, ...body }: PayTrip): Promise<TripPayment> {
    return this.post(tripPayment, "/payments", { body, key, terms, keyField: true, declinable: true });
  }

  /** Refund `amount`, or all that is left. With `tripId` the payment of another trip is Refused. */
  async refund({ key, paymentId, ...body }: RefundTrip): Promise<TripRefund> {
    const path = `/payments/${segment(paymentId)}/refunds`;
    return this.post(tripRefund, path, { body, key, keyField: true, declinable: true });
  }

  /** One payment. */
  async get({ paymentId }: { paymentId: number }): Promise<TripPayment> {
    return this.look(tripPayment, `/payments/${segment(paymentId)}`);
  }

  /** All refunds of a payment. */
  async refunds({ paymentId }: { paymentId: number }): Promise<readonly TripRefund[]> {
    return this.look(list(tripRefund), `/payments/${segment(paymentId)}/refunds`, { part: "refunds" });
  }

  /** A page of at most `limit` (100) payments, newest first. */
  async list({ since, until, ...only }: ListTrips = {}): Promise<TripPayments> {
    return this.look(tripPayments, "/payments", { query: { ...only, from: written(since), to: written(until) } });
  }
}

function written(moment: Date | string | undefined): string | undefined {
  return moment instanceof Date ? moment.toISOString() : moment;
}
