import { testClientCertificates, testMachineHost } from "../../tests/conformance/machine_host.ts";
import { dialWs } from "./dial.ts";
import { serveNet } from "./net_host.ts";

// On whatever runtime this runs: the net host and ws are the same for all.
const subject = { serve: serveNet, dial: dialWs, raw: true };
testMachineHost("net, dialled with ws", subject);
testClientCertificates("net, dialled with ws", subject);
