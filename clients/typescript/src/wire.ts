/** How requests and replies look on the wire: JSON whose amounts never pass through a binary float. */

import { type Of, integer, isObject, named, nullable, record, snake, truth } from "./decoding.js";

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** The fields of a body or a query, in camelCase; one that is undefined or null is left out, `amount` is an amount. */
export type Fields = Readonly<Record<string, Json | undefined>>;

/** A fresh idempotency key (a UUID), for one thing that must happen once. Browsers have it on HTTPS pages alone. */
export function newKey(): string {
  return crypto.randomUUID();
}

/** The caller's key, or a new one. */
export function chosen(key: string | undefined): string {
  return key ?? newKey();
}

/** A request with a key. Without `key` the client draws one for the call. */
export interface Keyed {
  key?: string;
}

/** What some gateways need: the token of the customer's payment method, the page that the customer returns to. */
export interface Terms {
  paymentToken?: string;
  returnUrl?: string;
}

/** A request with a key that may charge. */
export interface Charging extends Keyed {
  terms?: Terms;
}

export const retry = record({ safe: truth, key: nullable(named<"same" | "new">()), after: nullable(integer) });

/** Advice of the service: whether a repeat is safe, with which key (null: without one), after how many seconds. */
export type Retry = Of<typeof retry>;

/** One request. */
export interface Call {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  readonly path: string;
  readonly body?: Fields;
  readonly query?: Fields;
  readonly key?: string | undefined;
  /** The key travels in the body. */
  readonly keyField?: boolean;
  /** An answer with a failed status means that the gateway declined. */
  readonly declinable?: boolean;
  /** The field of the answer that is asked for. */
  readonly part?: string;
  readonly terms?: Terms | undefined;
}

/** Whether a call may change something. */
export function writes(call: Call): boolean {
  return call.method !== "GET";
}

/** Whether a second request with the same bytes does nothing more than the first. */
export function repeatable(call: Call): boolean {
  return call.key !== undefined || call.method === "GET" || call.method === "DELETE";
}

/** The bytes of a call's body; a TypeError for an amount that is not decimal text. */
export function content(call: Call): string | null {
  if (call.body === undefined) return null;
  const fields = present(call.keyField ? { idempotencyKey: call.key, ...call.body } : call.body);
  return `{${fields.map(([name, value]) => `${JSON.stringify(name)}:${written(name, value)}`).join(",")}}`;
}

/** The headers that belong to a call; a TypeError for a key that a header cannot carry. */
export function headers(call: Call): Record<string, string> {
  const found: Record<string, string> = { Accept: "application/json" };
  if (call.body !== undefined) found["Content-Type"] = "application/json";
  if (call.key !== undefined && !call.keyField) found["Idempotency-Key"] = checked(call.key);
  if (call.terms?.paymentToken) found["Payment-Token"] = call.terms.paymentToken;
  if (call.terms?.returnUrl) found["Payment-Return-Url"] = call.terms.returnUrl;
  return found;
}

/** Path and query of a call. */
export function target(call: Call): string {
  const query = new URLSearchParams(present(call.query ?? {}).map(([name, value]) => [name, String(value)])).toString();
  return query ? `${call.path}?${query}` : call.path;
}

/** An identifier as one part of a path; a TypeError for one that a URL cannot carry there. */
export function segment(value: string | number): string {
  const written = String(value);
  if (["", ".", ".."].includes(written)) throw new TypeError(`not an identifier: ${JSON.stringify(written)}`);
  return encodeURIComponent(written);
}

/** The reply to one try. Status 0: no answer, or none that can be read; `cause` says why. */
export interface Reply {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  /** The body as it is, for an answer that is no object. */
  readonly content: unknown;
  readonly requestId: string | null;
  /** Seconds to wait by the header `Retry-After`. */
  readonly after: number;
  readonly sent: boolean;
  readonly cause: unknown;
}

/** A reply with some of its parts. */
export function reply(parts: Partial<Reply>): Reply {
  const body = isObject(parts.content) ? parts.content : {};
  return { status: 0, content: null, requestId: null, after: 0, sent: true, cause: undefined, ...parts, body };
}

/** Whether the customer must act before the gateway decides. */
export function wantsAction(from: Reply): boolean {
  return isObject(from.body["next_action"]);
}

/** The advice of the service; null where something in between answered. */
export function advice(from: Reply): Retry | null {
  const given = from.body["retry"];
  if (!isObject(given) || typeof given["safe"] !== "boolean") return null;
  const { key, after } = given;
  return {
    safe: given["safe"],
    key: key === "same" || key === "new" ? key : null,
    after: Number.isInteger(after) ? (after as number) : null,
  };
}

function present(fields: Fields): [string, Json][] {
  return Object.entries(fields).flatMap(([name, value]) => (value == null ? [] : [[snake(name), value]]));
}

function written(name: string, value: Json): string {
  if (name !== "amount") return JSON.stringify(value);
  if (typeof value === "string" && /^-?(0|[1-9]\d*)(\.\d+)?$/.test(value)) return value;
  throw new TypeError(`an amount is a text of digits such as "150.00", not ${JSON.stringify(value)}`);
}

function checked(key: string): string {
  if (/^[ !#-+\--[\]-~]{1,255}$/.test(key) && key === key.trim()) return key;
  throw new TypeError(
    "a key has 1 to 255 printable ASCII characters, no comma, quote or backslash, no blank at its ends",
  );
}
