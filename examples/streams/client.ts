import { connect } from "@muon/muon";
import type { Meter } from "./main.ts";

await using mesh = await connect();
const meter = mesh.client<Meter>("meter");

console.log("double", (await meter.double({ value: 21 })).value);

const seen: number[] = [];
for await (const { value } of meter.watch({ every: 5 })) {
  seen.push(value);
  if (seen.length === 3) break; // ends the stream at the server, too
}
console.log("watch", seen.join(" "));

async function* samples() {
  for (const value of [1, 2, 3]) yield { value };
}
const { count, sum } = await meter.sum(samples());
console.log(`sum ${sum} of ${count}`);
for await (const { count, sum } of meter.running(samples())) console.log(`running ${sum} of ${count}`);
