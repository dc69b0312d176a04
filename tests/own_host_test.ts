// Every pair of host and dialler that this runtime has: its own by its own, its own by ws, the net host by its own.
// The net host dialled with ws, on every runtime, is in adapters/node/net_host_test.ts.
import { dialWs } from "../adapters/node/dial.ts";
import { serveNet } from "../adapters/node/net_host.ts";
import type { HostOptions } from "../runtime/host.ts";
import { testClientCertificates, testMachineHost } from "./conformance/machine_host.ts";
import { ownSystem, runtime } from "./conformance/own_adapter.ts";

const { platform, clock } = ownSystem();
const raw = runtime === "node";
const duplex = runtime !== "deno";
// What Deno.serve of this version cannot do, the net host does for the platform.
const deno = runtime === "deno" ? await import("../adapters/deno/host.ts") : undefined;
const keeps = runtime !== "deno" ||
  (await import("../adapters/deno/mod.ts")).keepsConnections(platform.version);
const serve = (options: HostOptions) =>
  deno === undefined
    ? platform.serve(options)
    : Promise.resolve().then(() => deno.serveDeno(options, { clock }));

testMachineHost(`of ${runtime}, dialled by ${runtime}`, {
  serve,
  dial: (url, options) => platform.dialWebSocket(url, options),
  raw,
  duplex,
  keeps,
});
testMachineHost(`of ${runtime}, dialled with ws`, {
  serve,
  dial: dialWs,
  raw,
  duplex,
  keeps,
});
testMachineHost(`net, dialled by ${runtime}`, {
  serve: (options) => serveNet(options),
  dial: (url, options) => platform.dialWebSocket(url, options),
  raw: true,
});
testClientCertificates(`as ${runtime} serves them`, {
  serve: (options) => platform.serve(options),
  dial: (url, options) => platform.dialWebSocket(url, options),
  raw: true,
});
