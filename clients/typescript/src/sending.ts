/** One call: the same bytes with the same key, tried until the answer is final or the deadline passes. */

import { type Reader, field, isObject } from "./decoding.js";
import {
  ActionRequired,
  Declined,
  Mismatch,
  OutcomeUnknown,
  PaymentError,
  Refused,
  Unavailable,
  messageOf,
  textIn,
} from "./errors.js";
import {
  type Call,
  type Reply,
  advice,
  chosen,
  content,
  headers,
  repeatable,
  reply,
  target,
  wantsAction,
  writes,
} from "./wire.js";

const FIRST_PAUSE = 0.1;
const LONGEST_PAUSE = 6.4;
/** The request was turned away before anything happened. */
const TOO_EARLY = [408, 429];
/** The service did not look the key up. */
const NO_VERDICT = [401, 403];

/** Options of a client, in seconds. `fetch`, `sleep` and `clock` replace the network and the time. */
export interface Options {
  /** A bearer token, or a function that returns one for each try. */
  readonly token?: string | null | (() => string | Promise<string>) | undefined;
  /** Seconds after which no try of a call begins: 60 if not given. */
  readonly deadline?: number | undefined;
  /** Seconds that one try may take: 30 if not given. */
  readonly timeout?: number | undefined;
  readonly fetch?: ((request: Request) => Promise<Response>) | undefined;
  readonly sleep?: ((seconds: number) => Promise<void>) | undefined;
  readonly clock?: (() => number) | undefined;
}

/** Sends the calls of all channels. */
export class Sender {
  readonly #url: string;
  readonly #options: Options;
  readonly #clock: () => number;

  constructor(url: string, options: Options) {
    this.#url = url.replace(/\/+$/, "");
    this.#options = options;
    this.#clock = options.clock ?? (() => performance.now() / 1000);
  }

  /** The final answer. Rejects with a PaymentError, or with a TypeError for arguments that cannot be sent. */
  async send<T>(reader: Reader<T>, call: Call): Promise<T> {
    const request = { method: call.method, body: content(call), headers: headers(call), redirect: "manual" } as const;
    const end = this.#clock() + (this.#options.deadline ?? 60);
    let begun = false;
    for (let attempt = 0; ; attempt++) {
      const answer = await this.#try(call, request, end).catch((error: unknown) => {
        if (!begun) throw error;
        return reply({ sent: false, cause: error }); // a token that cannot be had, say: the caller still needs the key
      });
      if (answer.status >= 200 && answer.status < 300 && !undecided(call, answer)) return answerOf(reader, call, answer);
      begun ||= mayHaveBegun(answer);
      if (!mayBeRepeated(call, answer)) throw final(call, answer, begun);
      const pause = pauseAfter(answer, attempt);
      if (this.#clock() + pause >= end) throw givenUp(call, answer, begun);
      await (this.#options.sleep ?? sleep)(pause);
    }
  }

  async #try(call: Call, init: RequestInit, end: number): Promise<Reply> {
    const { token, timeout = 30, fetch = globalThis.fetch } = this.#options;
    const bearer = typeof token === "function" ? await token() : token;
    const patience = Math.min(timeout, Math.max(1, end - this.#clock()));
    const signal = AbortSignal.timeout(Math.ceil(patience * 1000));
    const request = new Request(this.#url + target(call), { ...init, signal });
    if (bearer) request.headers.set("Authorization", `Bearer ${bearer}`);
    try {
      const response = await fetch(request);
      return read(response, await response.text());
    } catch (error) {
      return reply({ sent: !isUnsent(error), cause: error });
    }
  }
}

type Rest = Omit<Call, "method" | "path">;

/** The requests of one kind of callers. */
export class Channel {
  readonly #sender: Sender;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  protected send<T>(reader: Reader<T>, call: Call): Promise<T> {
    return this.#sender.send(reader, call);
  }

  /** Look something up. */
  protected look<T>(reader: Reader<T>, path: string, rest: Rest = {}): Promise<T> {
    return this.send(reader, { ...rest, method: "GET", path });
  }

  /** Send a request with a key. */
  protected post<T>(reader: Reader<T>, path: string, rest: Rest): Promise<T> {
    return this.send(reader, { ...rest, method: "POST", path, key: chosen(rest.key) });
  }
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, seconds * 1000));
}

/** Whether Node says that no connection came about. Browsers do not say it: there the request may have been sent. */
function isUnsent(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  const causes: unknown[] = cause instanceof AggregateError ? cause.errors : [cause];
  return causes.every(
    (each) =>
      isObject(each) &&
      (each["syscall"] === "connect" || each["syscall"] === "getaddrinfo" || each["code"] === "UND_ERR_CONNECT_TIMEOUT"),
  );
}

/** What the service says. A success that is no JSON is no answer; a refusal that is none has no advice. */
function read(response: Response, text: string): Reply {
  const asked = response.headers.get("Retry-After") ?? "";
  const requestId = response.headers.get("X-Request-ID");
  // A browser hides the status of a redirect, which the client does not follow.
  const status = response.type === "opaqueredirect" ? 307 : response.status;
  const known = { status, requestId, after: /^\d+$/.test(asked) ? Number(asked) : 0 };
  try {
    return reply({ ...known, content: JSON.parse(text) as unknown });
  } catch (error) {
    return response.ok ? reply({ requestId, cause: error }) : reply(known);
  }
}

/** Whether the gateway has yet to decide about a request. A look-up that answers 202 has answered. */
function undecided(call: Call, answer: Reply): boolean {
  return answer.status === 202 && writes(call);
}

function mayHaveBegun(answer: Reply): boolean {
  if (answer.status === 0) return answer.sent;
  return answer.status === 202 || answer.status === 409 || answer.status >= 500;
}

/** Whether another try may help and cannot move money twice. */
function mayBeRepeated(call: Call, answer: Reply): boolean {
  if (answer.status === 0) return repeatable(call) || !answer.sent;
  if (answer.status === 202) return repeatable(call) && !wantsAction(answer);
  const retry = advice(answer);
  if (retry && (!retry.safe || retry.key === "new")) return false;
  if (TOO_EARLY.includes(answer.status)) return true;
  // Without a key only the service knows that nothing happened, and says so by "key": null.
  if (answer.status >= 500) return repeatable(call) || retry?.key === null;
  return repeatable(call) && retry !== null && retry.after !== null;
}

/** Seconds before the next try: what the service asks for, and a random time that doubles with each try. */
function pauseAfter(answer: Reply, attempt: number): number {
  const doubled = Math.min(FIRST_PAUSE * 2 ** attempt, LONGEST_PAUSE);
  return Math.max(answer.after, advice(answer)?.after ?? 0) + doubled * (0.5 + Math.random() / 2);
}

function answerOf<T>(reader: Reader<T>, call: Call, answer: Reply): T {
  const failed = textIn(answer, "status")?.toUpperCase() === "FAILED" || answer.body["success"] === false;
  if (call.declinable && failed) {
    const message = ["message", "error", "gateway_response"].map((name) => textIn(answer, name)).find(Boolean);
    const code = textIn(answer, "failure_code") ?? "payment_declined";
    throw new Declined(message ?? "declined by the gateway", answer, call.key, code);
  }
  try {
    return call.part === undefined ? reader(answer.content) : field(answer.body, call.part, reader);
  } catch (error) {
    const Failure = writes(call) ? OutcomeUnknown : PaymentError;
    const message = `the answer has another shape: ${error instanceof Error ? error.message : error}`;
    throw new Failure(message, answer, call.key, "unreadable_answer", error);
  }
}

/** The error of a reply after which no other try is made. */
function final(call: Call, answer: Reply, begun: boolean): PaymentError {
  const message = messageOf(answer);
  const code = textIn(answer, "code");
  if (answer.status === 202 && wantsAction(answer)) return new ActionRequired(message, answer, call.key);
  if (code === "idempotency_key_mismatch") return new Mismatch(message, answer, call.key);
  if (answer.status === 402 || code === "payment_declined" || code === "refund_declined")
    return new Declined(message, answer, call.key);
  const retry = advice(answer);
  const unclear = begun && (NO_VERDICT.includes(answer.status) || retry === null || retry.key === "same");
  if (answer.status === 0 || answer.status === 202 || answer.status >= 500 || unclear)
    return givenUp(call, answer, begun);
  return new Refused(message, answer, call.key);
}

/** The error of a call that ends without knowing. */
function givenUp(call: Call, answer: Reply, begun: boolean): PaymentError {
  const message = messageOf(answer);
  if (!(begun && writes(call))) return new Unavailable(`${message}: call again later`, answer, call.key);
  if (call.key === undefined)
    return new OutcomeUnknown(`${message}: look the payment up before you send anything`, answer, call.key);
  return new OutcomeUnknown(`${message}: call again with the key ${call.key}`, answer, call.key);
}
