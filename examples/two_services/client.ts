import { connect } from "@muon/muon";
import type { Users } from "./users.ts";

await using mesh = await connect();
console.log((await mesh.client<Users>("users").summary({ id: "7" })).text);
