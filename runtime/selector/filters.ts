/**
 * Filters for the second argument of a call, or for every call of a selector.
 *
 * @module
 */

import type { Filter } from "./selector.ts";

/**
 * Keeps the nodes of one version.
 *
 * @example
 * ```ts
 * await greeter.hello({ name: "John" }, { filters: [byVersion("1.0.0")] });
 * ```
 */
export function byVersion(version: string): Filter {
  return { name: `version=${version}`, keep: ({ service }) => service.version === version };
}

/**
 * Keeps the nodes whose metadata says so; what the node does not say, its service may.
 *
 * @example
 * ```ts
 * await greeter.hello({ name: "John" }, { filters: [byLabel("zone", "eu-1")] });
 * ```
 */
export function byLabel(key: string, value: string): Filter {
  return {
    name: `label ${key}=${value}`,
    keep: ({ node, service }) => (own(node.metadata, key) ?? own(service.metadata, key)) === value,
  };
}

/**
 * Keeps the nodes at these addresses.
 *
 * @param addresses Each `host:port`, or a host alone, which keeps every port of it.
 *
 * @example
 * ```ts
 * await greeter.hello({ name: "John" }, { filters: [byAddress("127.0.0.1")] });
 * ```
 */
export function byAddress(...addresses: readonly string[]): Filter {
  const wanted = new Set(addresses);
  return {
    name: `address=${addresses.join(",")}`,
    keep: ({ node }) =>
      wanted.has(node.address) ||
      wanted.has(node.address.slice(0, Math.max(0, node.address.lastIndexOf(":")))),
  };
}

/**
 * Keeps the nodes whose record lists an endpoint.
 *
 * @param endpoint Its name. @default {the endpoint that is called}
 *
 * @example
 * ```ts
 * await greeter.hello({ name: "John" }, { filters: [byEndpoint()] });
 * ```
 */
export function byEndpoint(endpoint?: string): Filter {
  return {
    name: endpoint === undefined ? "endpoint" : `endpoint=${endpoint}`,
    keep: ({ service }, call) => service.endpoints.some(({ name }) => name === (endpoint ?? call.endpoint)),
  };
}

function own(map: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}
