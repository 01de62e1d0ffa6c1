// Calls the client for TypeScript: a call as a line of JSON comes in, its outcome as a line of JSON goes out.
// Names are in snake_case on both sides, as those of the scenarios are.

import { createInterface } from "node:readline";
import * as client from "../../clients/typescript/dist/index.js";

const { PaymentClient, PaymentError } = client;

const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const renamed = (value, rename) =>
  Object.fromEntries(Object.entries(value).map(([name, inner]) => [rename(name), inner]));
const plain = (value) => {
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object" || value instanceof Date) return value;
  return renamed(Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)])), snake);
};

/** Answers in their order, the last one again and again, as `fetch` gives them. */
function canned(answers) {
  return async () => {
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    const fault = { lost: { code: "ECONNRESET", syscall: "read" }, unsent: { code: "UND_ERR_CONNECT_TIMEOUT" } }[answer];
    if (fault) throw new TypeError("fetch failed", { cause: Object.assign(new Error(answer), fault) });
    return new Response(answer.text, { status: answer.status, headers: answer.headers });
  };
}

/** A clock that moves only while a call sleeps, or the real one; pauses are remembered. */
function time(pauses, real) {
  const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, real ? seconds * 1000 : 0));
  return {
    sleep: async (seconds) => void pauses.push(seconds) || wait(seconds),
    ...(real ? {} : { clock: () => pauses.reduce((sum, pause) => sum + pause, 0) }),
  };
}

function recording(tries, fetch) {
  return async (request) => {
    const { method, url } = request;
    const made = { method, url, headers: Object.fromEntries(request.headers), status: 0 };
    tries.push({ ...made, body: request.body ? await request.clone().text() : null });
    request.headers.set("Connection", "close");
    const response = await fetch(request);
    tries.at(-1).status = response.status;
    return response;
  };
}

function raised(error) {
  if (!(error instanceof PaymentError)) return { error: error.constructor.name, message: error.message };
  if (!(error instanceof client[error.name])) throw error;
  const { name, message, code, status, key, requestId, retry, fields, nextAction, cause } = error;
  const more = plain({ code, status, key, requestId, retry, fields, nextAction });
  return { error: name, message, ...more, cause: cause instanceof Error ? cause.message : null };
}

async function outcome({ name, args, url, options, answers, token, real }) {
  const tries = [];
  const pauses = [];
  const given = renamed(args, camel);
  if (given.terms) given.terms = renamed(given.terms, camel);
  const next = () => {
    if (token.length === 0) throw new RangeError("no token left");
    return token.shift();
  };
  const fetch = recording(tries, answers ? canned(answers) : globalThis.fetch);
  const made = new PaymentClient(url, {
    ...options,
    ...time(pauses, real),
    fetch,
    token: Array.isArray(token) ? next : token,
  });
  const [method, channel] = name.split(".").reverse();
  const target = channel ? made[channel] : made;
  try {
    return { answer: plain(await target[camel(method)](given)), error: null, tries, pauses };
  } catch (error) {
    return { answer: null, error: raised(error), tries, pauses };
  }
}

/** The names of all methods. */
function methods() {
  const made = new PaymentClient("http://service");
  return Object.entries(made).flatMap(([channel, value]) =>
    Object.getOwnPropertyNames(Object.getPrototypeOf(value))
      .filter((name) => name !== "constructor")
      .map((name) => `${channel}.${snake(name)}`),
  );
}

for await (const line of createInterface({ input: process.stdin })) {
  const call = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(call.name ? await outcome(call) : methods())}\n`);
}
