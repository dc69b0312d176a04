/**
 * The body of a request or a response, read only as far as it may go.
 *
 * @module
 */

import { concat, EMPTY } from "../../bytes.ts";
import { MuonError } from "../../errors.ts";

/**
 * Reads a body to its end.
 *
 * @param message Whose body.
 * @param limit Most bytes it may have. Where a length is declared, nothing is read of what is too long.
 * @param what What is read, for the error.
 * @throws {MuonError} `resource_exhausted`, if there is more.
 */
export async function readBody(
  message: Pick<Response, "headers" | "body" | "arrayBuffer">,
  limit: number,
  what: "input" | "answer",
): Promise<Uint8Array> {
  if (message.body === null) return EMPTY;
  const declared = message.headers.get("content-length");
  // A length that is declared of a compressed body is not the body's.
  if (declared !== null && message.headers.get("content-encoding") === null) {
    if (Number(declared) > limit) {
      await message.body.cancel().catch(() => {});
      throw tooLarge(what, declared, limit);
    }
    return new Uint8Array(await message.arrayBuffer());
  }
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = message.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return parts.length === 0 ? EMPTY : concat(parts);
    length += value.length;
    if (length > limit) {
      await reader.cancel().catch(() => {});
      throw tooLarge(what, `more than ${limit}`, limit);
    }
    parts.push(value);
  }
}

function tooLarge(what: string, size: string, limit: number): MuonError {
  return new MuonError("resource_exhausted", `the ${what} has ${size} bytes: at most ${limit} are taken`, {
    id: "muon.mucp",
    notRun: what === "input",
  });
}
