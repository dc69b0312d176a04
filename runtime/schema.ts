/**
 * Schemas: any library that speaks Standard Schema, checked where values enter and leave.
 *
 * @module
 */

import { MuonError, textOf } from "./errors.ts";

/**
 * A schema of any library: the interface of {@link https://standardschema.dev | Standard Schema} v1, which asks
 * to be copied. zod, valibot and arktype have it.
 */
export interface StandardSchemaV1<Input = unknown, Output = Input> {
  /** The Standard Schema properties. */
  readonly "~standard": StandardProps<Input, Output>;
}

/** The properties of a Standard Schema. */
export interface StandardProps<Input = unknown, Output = Input> {
  /** Version of the standard. */
  readonly version: 1;
  /** Name of the library. */
  readonly vendor: string;
  /** Checks a value and gives what it parses to. */
  readonly validate: (
    value: unknown,
    options?: { readonly libraryOptions?: Record<string, unknown> | undefined } | undefined,
  ) => StandardResult<Output> | Promise<StandardResult<Output>>;
  /** The inferred types; only the compiler looks at it. */
  readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  /** JSON Schema, where the library has Standard JSON Schema. */
  readonly jsonSchema?: {
    readonly input: (options: { readonly target: string }) => Record<string, unknown>;
    readonly output: (options: { readonly target: string }) => Record<string, unknown>;
  };
}

/** What a validation gives: the value, or what is wrong with it. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

/** One thing that is wrong with a value. */
export interface StandardIssue {
  /** In words. */
  readonly message: string;
  /** Where in the value. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Any schema. */
// deno-lint-ignore no-explicit-any
export type AnySchema = StandardSchemaV1<any, any>;

/**
 * Whether a value is a Standard Schema. Those of arktype are functions.
 *
 * @example
 * ```ts
 * isSchema(z.string()); // true
 * ```
 */
export function isSchema(value: unknown): value is AnySchema {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  const standard = (value as Partial<AnySchema>)["~standard"];
  return typeof standard === "object" && standard !== null && typeof standard.validate === "function";
}

/**
 * Checks a value. Answers at once where the library does, with a promise only where it gives one.
 *
 * @param schema What it must be.
 * @param value The value.
 * @param what What it is, for the error: `input of Greeter.Hello`.
 * @param status The error's status. @default {"invalid_argument"}
 * @returns What the value parses to.
 * @throws {MuonError} `status`, with the paths and messages as its detail and, for programs, as its details.
 *
 * @example
 * ```ts
 * validate(z.object({ name: z.string() }), { name: "John" }, "input of Greeter.Hello");
 * ```
 */
export function validate(
  schema: AnySchema,
  value: unknown,
  what: string,
  status: "invalid_argument" | "internal" = "invalid_argument",
): unknown {
  const result = schema["~standard"].validate(value);
  if (result instanceof Promise) return result.then((settled) => settle(settled, what, status));
  return settle(result, what, status);
}

function settle(
  result: StandardResult<unknown>,
  what: string,
  status: "invalid_argument" | "internal",
): unknown {
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map((issue) => ({ path: pathOf(issue), message: issue.message }));
  const shown = issues.slice(0, 5).map(({ path, message }) => `${path === "" ? "(root)" : path}: ${message}`);
  const more = issues.length > 5 ? `; and ${issues.length - 5} more` : "";
  throw new MuonError(status, `The ${what} does not fit its schema: ${shown.join("; ")}${more}`, {
    details: [{ type: "muon.Issues", value: issues.slice(0, 50) }],
  });
}

function pathOf(issue: StandardIssue): string {
  let path = "";
  for (const part of issue.path ?? []) {
    const key = typeof part === "object" ? part.key : part;
    path += typeof key === "number" ? `[${key}]` : path === "" ? String(key) : `.${String(key)}`;
  }
  return path;
}

/** A JSON Schema, or an empty one with the reason why none could be derived. */
export interface JsonSchema {
  /** The schema; `{}`, which allows anything, where none could be derived. */
  readonly schema: Record<string, unknown>;
  /** Why it is empty. */
  readonly note?: string;
}

/**
 * The JSON Schema (draft 2020-12) of a schema whose library has Standard JSON Schema; `{}` and a note where it has
 * not, or where the schema holds what JSON Schema cannot say.
 *
 * @param schema Any Standard Schema, or none.
 * @param side Whether what goes in or what comes out is described.
 *
 * @example
 * ```ts
 * jsonSchema(z.object({ id: z.string() }), "input").schema.type; // "object"
 * ```
 */
export function jsonSchema(schema: AnySchema | undefined, side: "input" | "output"): JsonSchema {
  if (schema === undefined) return { schema: {}, note: "it has no schema" };
  const standard = schema["~standard"];
  if (standard.jsonSchema === undefined) {
    return { schema: {}, note: `${standard.vendor} gives no Standard JSON Schema for it` };
  }
  try {
    return { schema: standard.jsonSchema[side]({ target: "draft-2020-12" }) };
  } catch (error) {
    return { schema: {}, note: error instanceof Error ? error.message : textOf(error) };
  }
}
