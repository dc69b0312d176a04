import { testClientCertificates, testMachineHost } from "../../tests/conformance/machine_host.ts";
import type { HostOptions } from "../../runtime/host.ts";
import { dialWs } from "./dial.ts";
import { serveNet } from "./net_host.ts";

// On whatever runtime this runs: the net host and ws are the same for all.
const subject = { serve: (options: HostOptions) => serveNet(options), dial: dialWs, raw: true };
testMachineHost("net, dialled with ws", subject);
testClientCertificates("net, dialled with ws", subject);
