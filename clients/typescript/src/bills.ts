/** The channel of bills: a bill is paid once, and its payment is listed. A bill has no refund. */

import { type Of, amount, integer, list, moment, named, optional, record, text } from "./decoding.js";
import { Channel } from "./sending.js";
import { type Charging, segment } from "./wire.js";

const billPayment = record({
  paymentId: integer,
  billId: integer,
  amount,
  method: text,
  reference: text,
  paidAt: moment,
  status: optional(named<"PENDING">()),
});

/** The payment of a bill. `reference` is its key; `status` is PENDING until the gateway decides, then null: paid. */
export type BillPayment = Of<typeof billPayment>;

/** `method` has 1 to 50 characters. */
export interface PayBill extends Charging {
  billId: number;
  amount: string;
  method: string;
}

export interface ListBills {
  billId?: number;
  skip?: number;
  limit?: number;
}

/** The requests about payments of bills. Every method rejects with a PaymentError. */
export class Bills extends Channel {
  /** Pay a bill. The key becomes the reference. A decline is Declined. */
  async pay({ key, terms, ...body }: PayBill): Promise<BillPayment> {
    return this.post(billPayment, "/v1/payments", { body, key, terms });
  }

  /** One payment. */
  async get({ paymentId }: { paymentId: number }): Promise<BillPayment> {
    return this.look(billPayment, `/v1/payments/${segment(paymentId)}`);
  }

  /** At most `limit` (1 to 100) paid payments, oldest first. */
  async list({ billId, skip = 0, limit = 100 }: ListBills = {}): Promise<readonly BillPayment[]> {
    return this.look(list(billPayment), "/v1/payments", { query: { billId, skip, limit } });
  }
}
