/**
 * What a registry holds of a service: Go Micro's JSON, field for field, so that every backend can be shared with it.
 * Source: go-micro `registry/registry.go`.
 *
 * @module
 */

/** Descriptions of values within one another that are read; what is deeper is left out. */
const MAX_DEPTH = 16;

/** A service in one version, with the nodes that serve it. */
export interface ServiceRecord {
  /** Name of the service. */
  readonly name: string;
  /** Its version. */
  readonly version: string;
  /** Notes about the service. */
  readonly metadata: Readonly<Record<string, string>>;
  /** What can be called. */
  readonly endpoints: readonly EndpointRecord[];
  /** Who serves it. */
  readonly nodes: readonly Node[];
}

/** One process that serves a service. */
export interface Node {
  /** Its id, `<service>-<uuid>`. */
  readonly id: string;
  /** Where it listens, `host:port`. */
  readonly address: string;
  /**
   * Notes about the node. `muon` lists what it speaks (`muon.v1,mucp,connect`), `protocol` is Go Micro's (`mucp`),
   * `secure` is `true` or `false`.
   */
  readonly metadata: Readonly<Record<string, string>>;
}

/** One endpoint of a service. */
export interface EndpointRecord {
  /** Its name, `Greeter.Hello`. */
  readonly name: string;
  /** What goes in, in Go Micro's shallow form; muon's own schemas are had from `Debug.Describe`. */
  readonly request: ValueRecord | null;
  /** What comes out. */
  readonly response: ValueRecord | null;
  /** `member`, `kind`, `idempotent`, `schema` (a hash) of muon; `stream`, `topic`, `subscriber` of Go Micro. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Go Micro's description of a value. */
export interface ValueRecord {
  /** Name of the field or type. */
  readonly name: string;
  /** Its type. */
  readonly type: string;
  /** Its fields. */
  readonly values: readonly ValueRecord[] | null;
}

/**
 * Reads a record another program may have written: `null` stands for an empty list, map or note as in Go, unknown
 * fields are left out, and a node's old `port` is joined to its address. The result shares nothing with the value.
 *
 * @param value What `JSON.parse` gave.
 * @throws {TypeError} That names the field, if it is no record.
 *
 * @example
 * ```ts
 * parseRecord(JSON.parse('{"name":"greeter","version":"1","metadata":null,"endpoints":null,"nodes":null}'));
 * ```
 */
export function parseRecord(value: unknown): ServiceRecord {
  const record = object(value, "");
  return {
    name: string(record.name, "name"),
    version: string(record.version ?? "", "version"),
    metadata: strings(record.metadata, "metadata"),
    endpoints: list(record.endpoints, "endpoints").map((item, i) => parseEndpoint(item, `endpoints[${i}]`)),
    nodes: list(record.nodes, "nodes").map((item, i) => parseNode(item, `nodes[${i}]`)),
  };
}

/**
 * Whether two records say the same, whatever the order of their maps' keys.
 *
 * @example
 * ```ts
 * sameRecord(record, { ...record, version: "2" }); // false
 * ```
 */
export function sameRecord(a: ServiceRecord, b: ServiceRecord): boolean {
  return a === b || canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(
    value,
    (_key, inner) =>
      typeof inner === "object" && inner !== null && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).sort(([x], [y]) => x < y ? -1 : 1))
        : inner,
  );
}

/**
 * Whether a value is a record as {@link parseRecord} gives it, with all that picking a node needs: a name, and nodes that
 * have an id and an address. It copies nothing.
 */
export function isRecord(value: unknown): value is ServiceRecord {
  return isObject(value) && isName(value.name) && typeof value.version === "string" &&
    isStrings(value.metadata) &&
    Array.isArray(value.endpoints) && value.endpoints.every(isEndpoint) &&
    Array.isArray(value.nodes) && value.nodes.every(isNode);
}

function isNode(value: unknown): boolean {
  return isObject(value) && isName(value.id) && isName(value.address) && isStrings(value.metadata) &&
    value.port === undefined;
}

function isEndpoint(value: unknown): boolean {
  return isObject(value) && typeof value.name === "string" && isStrings(value.metadata) &&
    isValue(value.request, 0) && isValue(value.response, 0);
}

function isValue(value: unknown, depth: number): boolean {
  if (value === null) return true;
  if (depth > MAX_DEPTH || !isObject(value)) return false;
  const { name, type, values } = value;
  return typeof name === "string" && typeof type === "string" &&
    (values === null || Array.isArray(values) && values.every((inner) => isValue(inner, depth + 1)));
}

/** Whether a value is an object and no list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isName(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

function isStrings(value: unknown): boolean {
  if (!isObject(value)) return false;
  for (const key in value) if (typeof value[key] !== "string") return false;
  return true;
}

/** Reads a node as {@link parseRecord} does. `at` is where it stands, for the error. */
export function parseNode(value: unknown, at: string): Node {
  const node = object(value, at);
  return {
    id: string(node.id, `${at}.id`),
    address: withPort(string(node.address, `${at}.address`), node.port),
    metadata: strings(node.metadata, `${at}.metadata`),
  };
}

/** Go Micro before 1.8 kept the port beside the address, and IPv6 addresses bare. */
function withPort(address: string, port: unknown): string {
  if (typeof port !== "number" || !(port > 0)) return address;
  return address.includes(":") && !address.startsWith("[") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Reads an endpoint as {@link parseRecord} does. `at` is where it stands, for the error. */
export function parseEndpoint(value: unknown, at: string): EndpointRecord {
  const endpoint = object(value, at);
  return {
    name: string(endpoint.name, `${at}.name`),
    request: parseValue(endpoint.request, `${at}.request`, 0),
    response: parseValue(endpoint.response, `${at}.response`, 0),
    metadata: strings(endpoint.metadata, `${at}.metadata`),
  };
}

function parseValue(value: unknown, at: string, depth: number): ValueRecord | null {
  if (value === null || value === undefined || depth > MAX_DEPTH) return null;
  const record = object(value, at);
  return {
    name: typeof record.name === "string" ? record.name : "",
    type: typeof record.type === "string" ? record.type : "",
    values: Array.isArray(record.values)
      ? record.values.flatMap((item, i) => parseValue(item, `${at}.values[${i}]`, depth + 1) ?? [])
      : null,
  };
}

function object(value: unknown, at: string): Record<string, unknown> {
  if (isObject(value)) return value;
  throw new TypeError(
    `${at === "" ? "Registry record" : `Registry record's ${at}`} must be an object: current value is ${
      shown(value)
    }`,
  );
}

/** A value of any kind, short enough for an error. */
export function shown(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    // A bigint, or a circle.
  }
  text ??= String(value);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

function string(value: unknown, at: string): string {
  if (typeof value !== "string") {
    throw new TypeError(
      `Registry record's ${at} must be a string: current value is ${shown(value)}`,
    );
  }
  return value;
}

function list(value: unknown, at: string): readonly unknown[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) {
    throw new TypeError(`Registry record's ${at} must be a list: current value is ${shown(value)}`);
  }
  return value;
}

function strings(value: unknown, at: string): Record<string, string> {
  if (value === null || value === undefined) return {};
  const map = object(value, at);
  return Object.fromEntries(Object.keys(map).map((key) => [key, string(map[key] ?? "", `${at}.${key}`)]));
}
