// Another process, another runtime, no code generation: only the type of the class is imported.
import { connect } from "@muon/muon";
import type { Greeter } from "./main.ts";

await using mesh = await connect();
const greeter = mesh.client<Greeter>("greeter");

console.log((await greeter.hello({ name: "John" })).greeting);
for await (const { n } of greeter.count({ to: 3 })) console.log(n);
const { accepted } = await mesh.publish("user.created", { id: "42" });
console.log(`published, accepted by ${accepted}`);
