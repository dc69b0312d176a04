/**
 * What a registry holds of a service: Go Micro's JSON, field for field, so that every backend can be shared with it.
 * Source: go-micro `registry/registry.go`.
 *
 * @module
 */

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
 * Reads a record another program may have written: `null` stands for an empty list or map, unknown fields are left
 * out, and a node's old `port` is joined to its address. The result shares nothing with the value.
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
  const record = object(value, "record");
  return {
    name: string(record.name, "name"),
    version: record.version === undefined ? "" : string(record.version, "version"),
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

function parseNode(value: unknown, at: string): Node {
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

function parseEndpoint(value: unknown, at: string): EndpointRecord {
  const endpoint = object(value, at);
  return {
    name: string(endpoint.name, `${at}.name`),
    request: parseValue(endpoint.request, `${at}.request`, 0),
    response: parseValue(endpoint.response, `${at}.response`, 0),
    metadata: strings(endpoint.metadata, `${at}.metadata`),
  };
}

function parseValue(value: unknown, at: string, depth: number): ValueRecord | null {
  if (value === null || value === undefined || depth > 16) return null;
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
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(
      `Registry record's ${at} must be an object: current value is ${JSON.stringify(value)}`,
    );
  }
  return value as Record<string, unknown>;
}

function string(value: unknown, at: string): string {
  if (typeof value !== "string") {
    throw new TypeError(
      `Registry record's ${at} must be a string: current value is ${JSON.stringify(value)}`,
    );
  }
  return value;
}

function list(value: unknown, at: string): readonly unknown[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) {
    throw new TypeError(`Registry record's ${at} must be a list: current value is ${JSON.stringify(value)}`);
  }
  return value;
}

function strings(value: unknown, at: string): Record<string, string> {
  if (value === null || value === undefined) return {};
  const map = object(value, at);
  return Object.fromEntries(Object.keys(map).map((key) => [key, string(map[key], `${at}.${key}`)]));
}
