// Every pair of host and dialler that this runtime has: its own by its own, its own by ws, the net host by its own.
// The net host dialled with ws, on every runtime, is in adapters/node/net_host_test.ts.
import { dialWs } from "../adapters/node/dial.ts";
import { serveNet } from "../adapters/node/net_host.ts";
import { testClientCertificates, testMachineHost } from "./conformance/machine_host.ts";
import { ownSystem, runtime } from "./conformance/own_adapter.ts";

const { platform } = ownSystem();
const raw = runtime === "node";
const duplex = runtime !== "deno";

testMachineHost(`of ${runtime}, dialled by ${runtime}`, {
  serve: (options) => platform.serve(options),
  dial: (url, options) => platform.dialWebSocket(url, options),
  raw,
  duplex,
});
testMachineHost(`of ${runtime}, dialled with ws`, {
  serve: (options) => platform.serve(options),
  dial: dialWs,
  raw,
  duplex,
});
testMachineHost(`net, dialled by ${runtime}`, {
  serve: serveNet,
  dial: (url, options) => platform.dialWebSocket(url, options),
  raw: true,
});
testClientCertificates(`as ${runtime} serves them`, {
  serve: (options) => platform.serve(options),
  dial: (url, options) => platform.dialWebSocket(url, options),
  raw: true,
});
