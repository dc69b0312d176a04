/**
 * A stream of chunks of 64 kB to the server: a file that is sent.
 *
 * @module
 */
import type { Question, Variant } from "../question.ts";
import { PER_ITEM, perItem } from "../server_stream/question.ts";
import { upload } from "../upload/question.ts";

const LIMIT = "limit: a WebSocket message a chunk";
const MUON = { bare: "muon, without schemas", full: "muon, all features on" } as const;

const variants: readonly Variant[] = [
  { name: LIMIT, kind: "limit", ...upload("bare", "chunks", "1") },
  { name: MUON.bare, kind: "muon", ...upload("muon", "chunks", "bare") },
  { name: MUON.full, kind: "muon", ...upload("muon", "chunks", "full") },
];

const question: Question = {
  name: "upload_chunks",
  asks: "What does one chunk of 64 kB cost in a stream to the server?",
  order: 46,
  calls: 20_000,
  quickCalls: 200,
  variants,
  measures: PER_ITEM,
  baseline: LIMIT,
  figures: perItem,
  notes: `Streams of 400 chunks, 26 MB, one behind the other. The limit sends each chunk as a message of CBOR,
\`{n, data}\`: batching so large a frame would only copy it. muon sends it in one frame, too.`,
  goals: [
    {
      says: "CPU a chunk ≤ 1.6 × a bare frame's, credits on",
      measure: "cpu",
      divide: MUON.bare,
      by: LIMIT,
      atMost: 1.6,
    },
    {
      says: "the same with all features on",
      measure: "cpu",
      divide: MUON.full,
      by: LIMIT,
      atMost: 1.6,
    },
  ],
};
export default question;
