import { connect } from "@muon/muon";
import type { LegacyGreeter } from "./main.ts";

await using mesh = await connect();
console.log((await mesh.client<LegacyGreeter>("legacy-greeter").hello({ name: "John" })).greeting);
