/**
 * How the `kv` registry gets at its store: opened late, tried again while another process has it locked, never waited
 * for without end, and with errors that say what to do.
 *
 * @module
 */

import { sleep } from "../../clock.ts";
import { MuonError, type Status } from "../../errors.ts";
import type { KvStore } from "../../kv_store.ts";
import type { System } from "../../platform.ts";
import { backoff } from "../../policy.ts";

/** Waits between two tries on a locked database, in ms: a write takes 1 to 5 ms, so a short wait mostly does. */
const LOCKED = { backoff: 10, maxBackoff: 500 };

/** Options of {@link KvAccess}. */
export interface KvAccessOptions {
  /** Time and chance. */
  readonly system: Pick<System, "clock" | "random">;
  /** Path or URL of the store, for messages. */
  readonly address: string;
  /** How long one piece of work may take, in ms. */
  readonly timeout: number;
  /** The store, if it is open already; it stays open. */
  readonly store?: KvStore;
  /** Opens the store. */
  readonly open?: () => Promise<KvStore>;
}

/** Access to a store. */
export class KvAccess {
  readonly #options: KvAccessOptions;
  #opened: Promise<KvStore> | undefined;
  #closed = false;

  constructor(options: KvAccessOptions) {
    const { timeout } = options;
    if (!(timeout > 0 && Number.isFinite(timeout))) {
      throw new RangeError(
        `Timeout of the kv registry must be above 0 ms and finite: current value is ${timeout}`,
      );
    }
    this.#options = options;
  }

  /**
   * Does something with the store.
   *
   * @param what What the store shall, for the message: `be read`.
   * @param work May be done more than once.
   * @throws {MuonError} `unavailable` where another try may help, `failed_precondition` where someone has to act.
   */
  async run<T>(what: string, work: (kv: KvStore) => Promise<T>): Promise<T> {
    const { system: { clock, random }, timeout } = this.#options;
    const began = clock.now();
    for (let attempt = 1;; attempt++) {
      const left = began + timeout - clock.now();
      try {
        return await this.#within(left, this.#open().then(work));
      } catch (error) {
        const wait = backoff(LOCKED, attempt, random.next());
        if (!isLocked(error) || wait >= began + timeout - clock.now()) throw this.#explain(what, error);
        await sleep(clock, wait, { background: true });
      }
    }
  }

  /** Closes the store, if it was opened here. */
  async close(): Promise<void> {
    this.#closed = true;
    const opened = this.#opened;
    this.#opened = undefined;
    // One that is still being opened is closed as soon as it is there.
    const closing = opened?.then((kv) => kv.close(), () => {});
    if (closing !== undefined) await this.#within(this.#options.timeout, closing).catch(() => {});
  }

  #open(): Promise<KvStore> {
    const { store, open } = this.#options;
    if (store !== undefined) return Promise.resolve(store);
    if (this.#closed || open === undefined) {
      return Promise.reject(
        new MuonError("failed_precondition", "The kv registry is closed", { id: "muon.registry" }),
      );
    }
    if (this.#opened === undefined) {
      const opened = this.#opened = open();
      opened.catch(() => {
        if (this.#opened === opened) this.#opened = undefined;
      });
    }
    return this.#opened;
  }

  async #within<T>(ms: number, work: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = this.#options.system.clock.after(Math.max(0, ms), () => {
      const why = "another process may hold it locked, or it cannot be reached";
      reject(this.#error("unavailable", `has not answered within ${this.#options.timeout} ms: ${why}`));
    });
    try {
      return await Promise.race([work, promise]);
    } finally {
      timer.cancel();
    }
  }

  /** Sources: SQLite's {@link https://www.sqlite.org/rescode.html | result codes}, and denokv, which hands them on. */
  #explain(what: string, cause: unknown): MuonError {
    if (cause instanceof MuonError) return cause;
    const { address, timeout } = this.#options;
    // Behind the first line, the npm package tells where in its machine code it was.
    let message = messageOf(cause).split("\n", 1)[0]!;
    // Node's fetch says why one level down.
    if (cause instanceof Error && cause.cause instanceof Error) message += `: ${cause.cause.message}`;
    if (isLocked(cause)) {
      return this.#error(
        "unavailable",
        `cannot ${what}: another process has had it locked for ${timeout} ms (${message})`,
        cause,
      );
    }
    if (/not a database|malformed|corrupt|no such (table|column)|table \w+ already exists/i.test(message)) {
      return this.#error(
        "failed_precondition",
        `is damaged, or is no file of Deno KV (${message}): stop the processes that use it, remove "${address}" and, ` +
          `if they are there, "${address}-wal" and "${address}-shm", and start the processes again: each makes itself known anew`,
        cause,
      );
    }
    if (/unable to open database file/i.test(message)) {
      return this.#error(
        "failed_precondition",
        `cannot be opened (${message}): its directory must exist and be this user's to write to; give another with --registry_address`,
        cause,
      );
    }
    if (/read-?only/i.test(message)) {
      return this.#error(
        "failed_precondition",
        `cannot ${what} (${message}): this user may only read it`,
        cause,
      );
    }
    return this.#error("unavailable", `cannot ${what}: ${message}`, cause);
  }

  #error(status: Status, what: string, cause?: unknown): MuonError {
    return new MuonError(status, `The kv registry's store "${this.#options.address}" ${what}`, {
      id: "muon.registry",
      cause,
    });
  }
}

/** SQLITE_BUSY and its kin: 5, 6, 261, 262, 517, 773. */
function isLocked(error: unknown): boolean {
  return !(error instanceof MuonError) &&
    /database( table| schema)? is (locked|busy)|Error code (5|6|261|262|517|773)\b/i.test(messageOf(error));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
