/** The client: one channel each for the five kinds of callers. */

import { Bills } from "./bills.js";
import { Bookings } from "./bookings.js";
import { Checkout } from "./checkout.js";
import { type Of, identifier, integer, moment, named, nullable, record, text } from "./decoding.js";
import { Orders } from "./orders.js";
import { type Options, Sender } from "./sending.js";
import { Trips } from "./trips.js";
import { retry } from "./wire.js";

export type ChannelName = "trips" | "bills" | "bookings" | "orders" | "checkout";

const keyState = record({
  state: named<"in_progress" | "finished" | "expired">(),
  channel: named<ChannelName>(),
  requestPath: nullable(text),
  payment: nullable(record({ id: identifier, path: nullable(text) })),
  responseStatus: nullable(integer),
  createdAt: moment,
  expiresAt: nullable(moment),
  retry,
});

/** What became of a key. Expired: the stored response has ended, the payment stays bound to the key. */
export type KeyState = Of<typeof keyState>;

/** Calls the service at `url`. */
export class PaymentClient {
  readonly trips: Trips;
  readonly bills: Bills;
  readonly bookings: Bookings;
  readonly orders: Orders;
  readonly checkout: Checkout;
  readonly #sender: Sender;

  constructor(url: string, options: Options = {}) {
    this.#sender = new Sender(url, options);
    this.trips = new Trips(this.#sender);
    this.bills = new Bills(this.#sender);
    this.bookings = new Bookings(this.#sender);
    this.orders = new Orders(this.#sender);
    this.checkout = new Checkout(this.#sender);
  }

  /** What became of a key of this caller's; an unknown one is Refused (`idempotency_key_not_found`). */
  async keyState(query: { key: string; channel?: ChannelName }): Promise<KeyState> {
    return this.#sender.send(keyState, { method: "GET", path: "/v1/idempotency-keys", query });
  }
}
