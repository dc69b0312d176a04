/**
 * Looks at the first request of a connection and puts it back.
 *
 * @module
 */

import type { Socket } from "node:net";
import type { RequestHead } from "../../runtime/host.ts";
import { LONGEST_HEAD } from "../web/bounds.ts";

const END = "\r\n\r\n";

/**
 * Calls back with the head of the first request, everything read put back; `undefined` if it is no request.
 * HTTP/2's preface is a request for this purpose: method `PRI`, path `*`.
 */
export function peekHead(socket: Socket, done: (head: RequestHead | undefined) => void): void {
  const chunks: Uint8Array[] = [];
  const read = (chunk: Uint8Array) => {
    chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    const end = bytes.indexOf(END);
    // What is longer is left to `node:http` to refuse.
    if (end < 0 && bytes.length < LONGEST_HEAD && looksLikeRequest(bytes)) return;
    socket.off("data", read);
    socket.off("end", gone);
    socket.pause();
    socket.unshift(bytes);
    done(end < 0 ? undefined : parseHead(bytes.toString("latin1", 0, end)));
    socket.resume();
  };
  // Half-closed before it said what it wants.
  const gone = () => void socket.destroy();
  socket.on("data", read);
  socket.on("end", gone);
}

/** Whether bytes may be the start of a request: a method in upper-case letters, then a space. */
function looksLikeRequest(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length && i < 32; i++) {
    if (bytes[i] === 0x20) return i > 0;
    if (bytes[i]! < 0x2d || bytes[i]! > 0x5a) return false;
  }
  return bytes.length < 32;
}

function parseHead(text: string): RequestHead | undefined {
  const [first = "", ...lines] = text.split("\r\n");
  const [method, path, version] = first.split(" ");
  if (!method || !path || !version?.startsWith("HTTP/")) return undefined;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return { method, path, header: (name) => headers.get(name) ?? null };
}
