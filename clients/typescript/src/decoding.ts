/** JSON values as the types of answers. A reader throws a TypeError for a value that does not fit. */

export type Reader<T> = (value: unknown) => T;

/** The type of what a reader gives. */
export type Of<R> = R extends Reader<infer T> ? T : never;

type Readers = Readonly<Record<string, Reader<unknown>>>;

const DIGITS = /^-?\d+(\.\d+)?$/;

export const text: Reader<string> = (value) => {
  if (typeof value !== "string") throw unfit(value, "a text");
  return value;
};

export const integer: Reader<number> = (value) => {
  if (!Number.isSafeInteger(value)) throw unfit(value, "an integer");
  return value as number;
};

/** A payment's id: an integer or a text, by its channel. */
export const identifier: Reader<number | string> = (value) => (typeof value === "string" ? value : integer(value));

export const truth: Reader<boolean> = (value) => {
  if (typeof value !== "boolean") throw unfit(value, "a boolean");
  return value;
};

/** One of some texts. The service may add some, so any text passes. */
export const named = <T extends string>(): Reader<T> => text as Reader<T>;

/** Digits of an amount. A number of the service has at most 15, so it comes through a binary float unchanged. */
export const amount: Reader<string> = (value) => {
  const digits = typeof value === "number" ? String(value) : value;
  if (typeof digits !== "string" || !DIGITS.test(digits)) throw unfit(value, "an amount");
  return digits;
};

/** A moment. The service writes UTC without a zone, which `Date` would take for local time. */
export const moment: Reader<Date> = (value) => {
  const written = text(value);
  const read = new Date(/(Z|[+-]\d\d:?\d\d)$/.test(written) ? written : `${written}Z`);
  if (Number.isNaN(read.getTime())) throw unfit(value, "a moment");
  return read;
};

export const dictionary: Reader<Readonly<Record<string, unknown>>> = (value) => {
  if (!isObject(value)) throw unfit(value, "an object");
  return value;
};

/** A value or null; the field itself is always there. */
export const nullable =
  <T>(reader: Reader<T>): Reader<T | null> =>
  (value) =>
    value === null ? null : reader(value);

/** A field that may be absent: null then. */
export const optional =
  <T>(reader: Reader<T>): Reader<T | null> =>
  (value) =>
    value === undefined || value === null ? null : reader(value);

export const list =
  <T>(reader: Reader<T>): Reader<readonly T[]> =>
  (value) => {
    if (!Array.isArray(value)) throw unfit(value, "a list");
    return value.map(reader);
  };

/** An object with these fields, which the service writes in snake_case. The service may add others. */
export const record =
  <R extends Readers>(readers: R): Reader<{ readonly [Name in keyof R]: Of<R[Name]> }> =>
  (value) => {
    const given = dictionary(value);
    const read = Object.entries(readers).map(([name, reader]) => [name, field(given, snake(name), reader)]);
    return Object.fromEntries(read) as { readonly [Name in keyof R]: Of<R[Name]> };
  };

/** One field of an object as the service writes it. */
export function field<T>(given: Readonly<Record<string, unknown>>, name: string, reader: Reader<T>): T {
  try {
    return reader(given[name]);
  } catch (error) {
    throw given[name] === undefined ? new TypeError(`no ${name} in the answer`) : error;
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A name in camelCase as the service writes it. */
export function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function unfit(value: unknown, wanted: string): TypeError {
  return new TypeError(`${JSON.stringify(value)} is not ${wanted}`);
}
