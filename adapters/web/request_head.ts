/**
 * The head of a web `Request`.
 *
 * @module
 */

import type { RequestHead } from "../../runtime/host.ts";

/** The head of a request; the request's headers are read when they are asked for. */
export function headOf(request: Request): RequestHead {
  const { method, url, headers } = request;
  // A server's request has a full address, "http://host/path": the path starts at the third slash.
  const start = url.indexOf("/", url.indexOf("://") + 3);
  return { method, path: url.slice(start), header: (name) => headers.get(name) };
}
