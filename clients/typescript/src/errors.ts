/** What a call can end in besides its answer. */

import { type Of, isObject, moment, named, optional, record, text } from "./decoding.js";
import { type Reply, type Retry, advice } from "./wire.js";

/** Codes for what has none in the service's words. */
const NAMELESS: Readonly<Record<number, string>> = { 0: "no_answer", 202: "pending" };

const nextAction = record({
  type: named<"redirect" | "sdk">(),
  url: optional(text),
  clientSecret: optional(text),
  expiresAt: optional(moment),
});

/** What a customer must do: open `url` (redirect), or pass `clientSecret` to the gateway's own form (sdk). */
export type NextAction = Of<typeof nextAction>;

/** A call without the answer that was asked for; every subclass says what that means for the money. */
export class PaymentError extends Error {
  override readonly name: string = "PaymentError";
  /** Stable, and made for programs. */
  readonly code: string;
  /** The HTTP status; 0: no answer. */
  readonly status: number;
  readonly retry: Retry | null;
  readonly requestId: string | null;
  /** The idempotency key of the call: another call with it and with the same arguments does nothing twice. */
  readonly key: string | null;
  /** The reply's object, as the service wrote it. */
  readonly body: Readonly<Record<string, unknown>>;

  constructor(message: string, reply: Reply, key: string | undefined, code?: string, cause: unknown = reply.cause) {
    super(message, { cause });
    this.code = code ?? textIn(reply, "code") ?? NAMELESS[reply.status] ?? "unknown";
    this.status = reply.status;
    this.retry = advice(reply);
    this.requestId = reply.requestId;
    this.key = key ?? null;
    this.body = reply.body;
  }
}

/**
 * The service does not do this, and this call moves no money: `code` says why, such as `validation_error`.
 *
 * If `retry.safe` is false, no repeat helps: look the payment up before you send anything.
 */
export class Refused extends PaymentError {
  override readonly name = "Refused";
}

/** The gateway declined. This is final for the key; another try takes a new key. */
export class Declined extends PaymentError {
  override readonly name = "Declined";
}

/** The key belongs to another request: nothing happens. `body.payment` is the key's payment. */
export class Mismatch extends PaymentError {
  override readonly name = "Mismatch";

  /** The names of the fields that differ. */
  get fields(): readonly string[] {
    const names = this.body["fields"];
    return Array.isArray(names) ? names.map(String) : [];
  }
}

/** The customer must act first: send them to `nextAction`, then call again with the same key and arguments. */
export class ActionRequired extends PaymentError {
  override readonly name = "ActionRequired";
  readonly nextAction: NextAction;

  constructor(message: string, reply: Reply, key: string | undefined) {
    super(message, reply, key, "action_required");
    this.nextAction = nextAction(reply.body["next_action"]);
  }
}

/**
 * Money may have moved, or may still move.
 *
 * With a `key`: call again later with the same key and arguments, or ask `PaymentClient.keyState`. Without one: look the
 * payment up before you send anything.
 */
export class OutcomeUnknown extends PaymentError {
  override readonly name = "OutcomeUnknown";
}

/** The service could not be reached, or takes no requests now, and nothing happened. Call again later. */
export class Unavailable extends PaymentError {
  override readonly name = "Unavailable";
}

/** A text among the fields of a reply. */
export function textIn(reply: Reply, name: string): string | undefined {
  const value = reply.body[name];
  return typeof value === "string" ? value : undefined;
}

/** What a reply says to people, in the field that its channel uses. */
export function messageOf(reply: Reply): string {
  const message = reply.body["error"] || reply.body["detail"] || reply.body["message"];
  if (Array.isArray(message)) return message.filter(isObject).map((fault) => String(fault["msg"])).join("; ");
  if (typeof message === "string") return message;
  return reply.cause === undefined ? `HTTP status ${reply.status}` : String(reply.cause);
}
