/**
 * A look at a SQLite file before another library opens it.
 *
 * @module
 */

import process from "node:process";

// Not imported: in a program of one file an import is done at its start, wanted or not.
const { statSync } = process.getBuiltinModule("node:fs");

/**
 * Looks whether a file is a sound SQLite database, with `node:sqlite`; does nothing where there is no file, or no
 * `node:sqlite`.
 *
 * @param path The file.
 * @param still Asked right before the look: whether it may still be made.
 * @throws {Error} With SQLite's own words, if the file is damaged or no database at all.
 */
export async function checkDatabase(path: string, still: () => boolean): Promise<void> {
  if (!hasBytes(path)) return;
  let sqlite: typeof import("node:sqlite");
  try {
    sqlite = await import("node:sqlite");
  } catch {
    return;
  }
  if (!still()) return;
  let problem: string | undefined;
  try {
    const database = new sqlite.DatabaseSync(path, { readOnly: true });
    try {
      const row = database.prepare("PRAGMA quick_check(1)").get() as { quick_check?: unknown } | undefined;
      if (row?.quick_check !== "ok") problem = String(row?.quick_check ?? "no answer").replaceAll("\n", " ");
    } finally {
      database.close();
    }
  } catch (error) {
    // What else may be in the way, a lock or a missing right, the opening itself tells.
    if (!(error instanceof Error && /not a database|malformed/i.test(error.message))) return;
    throw error;
  }
  if (problem !== undefined) throw new Error(`database disk image is malformed: ${problem}`);
}

function hasBytes(path: string): boolean {
  const info = statSync(path, { throwIfNoEntry: false });
  return info !== undefined && info.isFile() && info.size > 0;
}
