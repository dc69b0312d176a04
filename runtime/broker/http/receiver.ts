/**
 * Takes deliveries on the shared port.
 *
 * @module
 */

import { readBody, type Reading } from "../../body.ts";
import { utf8 } from "../../bytes.ts";
import { uuid } from "../../entropy.ts";
import { MuonError } from "../../errors.ts";
import type { BareAnswer, BareRequest, Protocol } from "../../host.ts";
import type { System } from "../../platform.ts";
import type { Inbox } from "../inbox.ts";
import { decodeMessage, deliveryLimit, idOf } from "./wire.ts";

/** 204, which has no body: to read that of a 200, if only to find it empty, costs a publisher on Deno 6 µs. */
const TAKEN: BareAnswer = { status: 204, headers: {}, body: null };

/** What the protocol is made of. */
export interface ReceiverOptions {
  /** The inboxes there are, by the id of their subscription. */
  readonly inboxes: ReadonlyMap<string, Inbox>;
  /** Ids for messages that come without one. */
  readonly system: Pick<System, "entropy">;
  /** Largest body of a message, in bytes. */
  readonly maxMessage: number;
}

/**
 * The protocol `POST /?id=<id of a subscription>`. It answers 204 once the inbox has the message, before the handler
 * runs: a publisher learns that somebody took responsibility, not how long handling takes. 404: there is no such
 * subscription (any more); 429: it has no room; 413: the message is too large; 400: it is none; 403: a browser's page
 * sends it. The body of an error is Go Micro's JSON. Go Micro's publishers look at none of this, as their receivers
 * always answer 200.
 */
export function receiver(options: ReceiverOptions): Protocol {
  const { inboxes, system, maxMessage } = options;
  const reading: Reading = { limit: deliveryLimit(maxMessage), what: "delivery", id: "muon.broker" };

  function take(inbox: Inbox, body: Uint8Array): BareAnswer {
    const { message, history } = decodeMessage(body);
    if (message.body.length > maxMessage) {
      throw new MuonError(
        "resource_exhausted",
        `the message has ${message.body.length} bytes: at most ${maxMessage} are taken`,
        { id: "muon.broker" },
      );
    }
    const named = message.id === "" ? { ...message, id: uuid(system.entropy) } : message;
    if (inbox.offer(named, history)) return TAKEN;
    // It may have been closed while the body was read.
    if (!inbox.open) throw unknown();
    return refusal(429, inbox.full());
  }

  async function answer(request: BareRequest): Promise<BareAnswer> {
    try {
      const origin = request.headers.get("origin");
      if (origin !== null) throw fromPage(origin);
      const { url } = request;
      const id = idOf(url.slice(url.indexOf("/", url.indexOf("://") + 3)));
      const inbox = id === undefined ? undefined : inboxes.get(id);
      if (inbox === undefined || !inbox.open) throw unknown();
      return take(inbox, await readBody(request, reading));
    } catch (error) {
      // What was not read of a body would stand in the way of the connection's next request.
      await request.body?.cancel().catch(() => {});
      const known = MuonError.from(error);
      return refusal(known.status === "resource_exhausted" ? 413 : known.code, known);
    }
  }

  return {
    name: "http-broker",
    matches: ({ method, path }) => method === "POST" && idOf(path) !== undefined,
    answer,
    async fetch(request) {
      const { status, headers, body } = await answer(request);
      return new Response(body as BodyInit | null, { status, headers });
    },
  };
}

/** Browsers let any page send requests to any address, and tell its origin, which no publisher does. */
function fromPage(origin: string): MuonError {
  return new MuonError(
    "permission_denied",
    `pages may not deliver events: the request comes from ${JSON.stringify(origin.slice(0, 200))}`,
    { id: "muon.broker" },
  );
}

function unknown(): MuonError {
  return new MuonError("not_found", "there is no such subscription here", { id: "muon.broker" });
}

function refusal(status: number, error: MuonError): BareAnswer {
  return { status, headers: { "content-type": "application/json" }, body: utf8(JSON.stringify(error)) };
}
