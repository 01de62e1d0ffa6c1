/** Calls the payment service: one method for each request, repeated safely until its answer is final. */

export * from "./bills.js";
export * from "./bookings.js";
export * from "./checkout.js";
export { type ChannelName, type KeyState, PaymentClient } from "./client.js";
export {
  ActionRequired,
  Declined,
  Mismatch,
  type NextAction,
  OutcomeUnknown,
  PaymentError,
  Refused,
  Unavailable,
} from "./errors.js";
export * from "./orders.js";
export { type Options } from "./sending.js";
export * from "./trips.js";
export { type Json, type Retry, type Terms, newKey } from "./wire.js";
