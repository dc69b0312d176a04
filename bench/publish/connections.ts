/**
 * How many connections there have been, as Linux knows it.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";

/** Both sides of every connection that is open, and of those that were closed within the last minute. */
const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];
const LISTEN = "0A";

/**
 * Counts the connections to servers of this machine: those that are open, and those closed within the last minute.
 *
 * @param ports The servers' ports.
 * @returns 0 where there is no `/proc`.
 */
export function connectionsTo(ports: readonly number[]): number {
  const servers = new Set(ports);
  const pairs = new Set<string>();
  for (const table of TABLES.filter((path) => existsSync(path))) {
    for (const line of readFileSync(table, "utf8").trim().split("\n").slice(1)) {
      const [, local, remote, state] = line.trim().split(/\s+/);
      if (state === LISTEN) continue;
      const ends = [portOf(local!), portOf(remote!)] as const;
      // A connection that both ends have open stands there twice, one that is closed only with who closed it first.
      if (servers.has(ends[1])) pairs.add(`${ends[0]} ${ends[1]}`);
      else if (servers.has(ends[0])) pairs.add(`${ends[1]} ${ends[0]}`);
    }
  }
  return pairs.size;
}

function portOf(end: string): number {
  return Number.parseInt(end.slice(end.indexOf(":") + 1), 16);
}
