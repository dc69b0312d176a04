import { connect } from "@muon/muon";
import { type Auditor, type Mailer, orderPlaced } from "./main.ts";

await using mesh = await connect();
for (const id of ["a", "b", "c"]) {
  const { accepted } = await mesh.publish(orderPlaced, { id, total: 10 });
  console.log(`order ${id} accepted by ${accepted}`);
}

const mailer = mesh.client<Mailer>("mailer");
const auditor = mesh.client<Auditor>("auditor");
// `publish` resolves when the subscribers have taken an event on; they handle it a moment later.
while ((await mailer.sent()).length < 3 || (await auditor.total()).total < 30) {
  await new Promise((resolve) => setTimeout(resolve, 10));
}
console.log("mailed", (await mailer.sent()).toSorted().join(" "));
console.log("audited", (await auditor.total()).total);
