/**
 * Reads the reports of tests, in JUnit's form, as Deno, Bun and Node write them.
 *
 * Only leaves are counted, so that a `describe` and a test with subtests count as what is in them: in the reports of
 * Bun and Node they are suites, in Deno's they are cases whose name begins those of their parts.
 *
 * @module
 */

/** How the tests of a file went. */
export interface Report {
  /** How many passed. */
  readonly passed: number;
  /** The names of those that failed. */
  readonly failed: readonly string[];
  /** The names of those that were skipped, or are to be written. */
  readonly skipped: readonly string[];
}

interface Case {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
}

// An attribute's value may hold a bare `>`, and a body may not: runtimes escape it there.
const CASE = /<testcase((?:\s+[\w-]+="[^"]*")*)\s*(?:\/>|>([^]*?)<\/testcase>)/g;

/**
 * Reads a report.
 *
 * @param xml What a runtime wrote.
 *
 * @example
 * ```ts
 * readReport(`<testsuites><testcase name="adds"/></testsuites>`); // { passed: 1, failed: [], skipped: [] }
 * ```
 */
export function readReport(xml: string): Report {
  const cases = [...xml.matchAll(CASE)].map(([, attributes = "", body = ""]): Case => ({
    name: unescape(/\sname="([^"]*)"/.exec(attributes)?.[1] ?? "(a test without a name)"),
    outcome: /<(failure|error)\b/.test(body) ? "failed" : /<skipped\b/.test(body) ? "skipped" : "passed",
  }));
  const leaves = cases.filter((one) => {
    const parts = cases.filter(({ name }) => name.startsWith(`${one.name} > `));
    if (parts.length === 0) return true;
    // What fails beside its parts, as by its hooks, fails for itself.
    return one.outcome === "failed" && !parts.some(({ outcome }) => outcome === "failed");
  });
  const named = (wanted: Case["outcome"]) =>
    leaves.filter(({ outcome }) => outcome === wanted).map(({ name }) => name);
  return { passed: named("passed").length, failed: named("failed"), skipped: named("skipped") };
}

function unescape(text: string): string {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"')
    .replaceAll("&apos;", "'").replaceAll("&amp;", "&");
}
