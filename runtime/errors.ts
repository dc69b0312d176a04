/**
 * The one error class of muon, its closed set of statuses and the number Go Micro sends for each.
 *
 * @module
 */

/**
 * What went wrong, in the words of gRPC's status codes, spelt as Connect spells them.
 * Source: {@link https://connectrpc.com/docs/protocol#error-codes | Connect's error codes}.
 */
export type Status =
  | "canceled"
  | "unknown"
  | "invalid_argument"
  | "deadline_exceeded"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "resource_exhausted"
  | "failed_precondition"
  | "aborted"
  | "out_of_range"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "data_loss"
  | "unauthenticated";

/**
 * The statuses in the order of gRPC's numbers: `STATUSES[n]` is the status with number `n + 1`.
 *
 * @example
 * ```ts
 * STATUSES[4]; // "not_found", which is gRPC's 5
 * ```
 */
export const STATUSES: readonly Status[] = [
  "canceled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
  "unauthenticated",
];

const CODES: Partial<Record<Status, number>> = {
  invalid_argument: 400,
  failed_precondition: 400,
  out_of_range: 400,
  unauthenticated: 401,
  permission_denied: 403,
  not_found: 404,
  deadline_exceeded: 408,
  already_exists: 409,
  aborted: 409,
  resource_exhausted: 429,
  canceled: 499,
  unimplemented: 501,
  unavailable: 503,
};

const STATUS_OF_CODE: Readonly<Record<number, Status>> = {
  400: "invalid_argument",
  401: "unauthenticated",
  403: "permission_denied",
  404: "not_found",
  405: "unimplemented",
  408: "deadline_exceeded",
  409: "aborted",
  429: "resource_exhausted",
  499: "canceled",
  501: "unimplemented",
  503: "unavailable",
  504: "deadline_exceeded",
};

/**
 * The number Go Micro sends for a status; 500 where it has none of its own.
 *
 * @example
 * ```ts
 * codeOf("not_found"); // 404
 * codeOf("data_loss"); // 500
 * ```
 */
export function codeOf(status: Status): number {
  return CODES[status] ?? 500;
}

/**
 * The status that fits a number Go Micro sent; `internal` where none does.
 *
 * @example
 * ```ts
 * statusOf(404); // "not_found"
 * statusOf(418); // "internal"
 * ```
 */
export function statusOf(code: number): Status {
  return STATUS_OF_CODE[code] ?? "internal";
}

/** Something about an error that a program can read: a type's name and a value that JSON can carry. */
export interface ErrorDetail {
  /** Name of the detail's type, as `google.rpc.RetryInfo` or a name of your own. */
  readonly type: string;
  /** Any value JSON can carry. */
  readonly value: unknown;
}

/** One try of a call that failed, as {@link Where} lists it. */
export interface Attempt {
  /** Id of the node that was tried. */
  readonly node: string;
  /** Its address, `host:port`. */
  readonly address: string;
  /** Why it failed. */
  readonly error: string;
}

/** Where a failure happened. */
export interface Where {
  /** Name of the service that was called. */
  readonly service?: string;
  /** Endpoint that was called, as `Greeter.Hello`. */
  readonly endpoint?: string;
  /** Id of the node that answered or was dialled last. */
  readonly node?: string;
  /** Address of that node, `host:port`. */
  readonly address?: string;
  /** The tries before the one that gave this error, oldest first. */
  readonly attempts?: readonly Attempt[];
}

/** Options of {@link MuonError}. */
export interface MuonErrorOptions {
  /** Who says so: a service's name, or a part of muon as `muon.client`. @default {"muon"} */
  readonly id?: string;
  /** Go Micro's number. @default {codeOf(status)} */
  readonly code?: number;
  /** What a program can read. */
  readonly details?: readonly ErrorDetail[];
  /** Where it happened. */
  readonly where?: Where;
  /** Whether the handler is known not to have run, so that a retry is safe whatever the endpoint is. @default {false} */
  readonly notRun?: boolean;
  /** Whether the node that was called says so itself: it lives, whatever became of the call. @default {false} */
  readonly answered?: boolean;
  /** The error beneath; it never leaves the process. */
  readonly cause?: unknown;
}

const BRAND = Symbol.for("muon.MuonError");

/**
 * A failure of a call, a publication or a part of muon.
 *
 * `message` is for people: status, detail and where it happened. `detail` is the bare text, `status` and `code`
 * are for programs. Two copies of muon in one process know each other's errors: `instanceof` looks at a brand.
 *
 * @example
 * ```ts
 * throw new MuonError("not_found", "no user 42", { id: "users" });
 * ```
 */
export class MuonError extends Error {
  /** `MuonError`. */
  override readonly name = "MuonError";
  /** Who says so: a service's name, or a part of muon as `muon.client`. */
  readonly id: string;
  /** What went wrong, as one of gRPC's sixteen. */
  readonly status: Status;
  /** Go Micro's number. */
  readonly code: number;
  /** What went wrong, in words. */
  readonly detail: string;
  /** What a program can read, if the thrower gave any. */
  readonly details: readonly ErrorDetail[] | undefined;
  /** Where it happened. */
  readonly where: Where;
  /** Whether the handler is known not to have run: such a call may be retried whatever its endpoint is. */
  readonly notRun: boolean;
  /** Whether the node that was called says so itself, rather than this process of that node. */
  readonly answered: boolean;

  /**
   * An error, to be thrown.
   *
   * @param status What went wrong.
   * @param detail The same in words, for a person.
   * @param options Who, where, the number and what lies beneath.
   * @throws {TypeError} If the status is none.
   */
  constructor(status: Status, detail: string, options: MuonErrorOptions = {}) {
    if (!STATUSES.includes(status)) throw noStatus(status);
    const where = options.where ?? {};
    super(
      `[${status}] ${detail}${describe(where)}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.id = options.id ?? "muon";
    this.status = status;
    this.code = options.code ?? codeOf(status);
    this.detail = detail;
    this.details = options.details;
    this.where = where;
    this.notRun = options.notRun ?? false;
    this.answered = options.answered ?? false;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** Whether a value is a MuonError, of this copy of muon or another. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== MuonError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === "object" && value !== null && BRAND in value;
  }

  /**
   * Makes a MuonError of anything that was thrown. A MuonError is returned as it is (with `where` filled in if
   * it had none), an AbortError becomes `canceled`, a TimeoutError `deadline_exceeded`, the rest `internal` with
   * its message as detail and itself as cause.
   *
   * @example
   * ```ts
   * MuonError.from(new Error("no disk")).status; // "internal"
   * ```
   */
  static from(thrown: unknown, options: MuonErrorOptions & { readonly status?: Status } = {}): MuonError {
    if (thrown instanceof MuonError) {
      return options.where === undefined ? thrown : thrown.at(options.where);
    }
    if (thrown instanceof Error) {
      const status = options.status ??
        (thrown.name === "AbortError"
          ? "canceled"
          : thrown.name === "TimeoutError"
          ? "deadline_exceeded"
          : "internal");
      return new MuonError(status, textOf(thrown.message || thrown.name), {
        ...options,
        cause: thrown,
      });
    }
    return new MuonError(
      options.status ?? "internal",
      typeof thrown === "string" ? thrown : `thrown: ${textOf(thrown)}`,
      {
        ...options,
        cause: thrown,
      },
    );
  }

  /** The same error with more said about where; what it already says stays. */
  at(where: Where): MuonError {
    const copy = new MuonError(this.status, this.detail, {
      id: this.id,
      code: this.code,
      where: { ...where, ...this.where },
      notRun: this.notRun,
      answered: this.answered,
      cause: this.cause,
      ...(this.details === undefined ? {} : { details: this.details }),
    });
    if (this.stack !== undefined) {
      copy.stack = this.stack.replace(this.message, () => copy.message);
    }
    return copy;
  }

  /** Go Micro's JSON form of an error, with the details beside it. Stack and cause stay at home. */
  toJSON(): { id: string; code: number; detail: string; status: string; details?: readonly ErrorDetail[] } {
    return {
      id: this.id,
      code: this.code,
      detail: this.detail,
      status: this.status,
      ...(this.details === undefined ? {} : { details: this.details }),
    };
  }
}

/**
 * Whether a call came to a process that does not serve the service at all, as HTTP's 421 says it: the node that was
 * meant is gone, and its port is another's. A handler's own `not_found`, or that of an endpoint which the service does
 * not have, is none.
 */
export function isMisdirected({ status, notRun, id }: MuonError): boolean {
  return status === "not_found" && notRun && (id === "muon.server" || id === "muon.host");
}

/**
 * A value as text, whatever it is: what was thrown may be an object that cannot be made one, and whoever tells of it
 * must not fail over that.
 *
 * @example
 * ```ts
 * textOf(Object.create(null)); // "[object]"
 * ```
 */
export function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return `[${typeof value}]`;
  }
}

function noStatus(status: unknown): TypeError {
  return new TypeError(
    `Status of a MuonError must be one of ${STATUSES.join(", ")}: current value is ${textOf(status)}`,
  );
}

function describe(where: Where): string {
  const parts: string[] = [];
  if (where.service !== undefined) {
    parts.push(`calling ${where.service}${where.endpoint === undefined ? "" : ` ${where.endpoint}`}`);
  }
  if (where.node !== undefined) {
    parts.push(`on node ${where.node}${where.address === undefined ? "" : ` at ${where.address}`}`);
  }
  for (const [index, attempt] of (where.attempts ?? []).entries()) {
    parts.push(`attempt ${index + 1} on ${attempt.node} at ${attempt.address}: ${attempt.error}`);
  }
  return parts.length === 0 ? "" : ` (${parts.join("; ")})`;
}
