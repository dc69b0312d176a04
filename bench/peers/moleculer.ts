/** Moleculer over TCP, with its validator, its default serializer (JSON), and without discovery by UDP. */
import { serve, settings } from "../load.ts";
import { freePort, greetings, peer, role } from "./peer.ts";

interface Broker {
  createService(schema: Record<string, unknown>): void;
  start(): Promise<void>;
  waitForServices(names: string): Promise<void>;
  call(action: string, params: { name: string }): Promise<{ greeting: string }>;
}

const { ServiceBroker } = await peer<
  { ServiceBroker: new (options: Record<string, unknown>) => Broker }
>(
  "moleculer",
);
const broker = (nodeID: string, options: Record<string, unknown>) =>
  new ServiceBroker({
    nodeID,
    logger: false,
    transporter: {
      type: "TCP",
      options: { udpDiscovery: false, useHostname: false, ...options },
    },
  });

if (role === "server") {
  const port = await freePort();
  const server = broker("server", { port });
  server.createService({
    name: "greeter",
    actions: {
      hello: {
        params: { name: "string" },
        handler: ({ params }: { params: { name: string } }) => ({
          greeting: `Hello ${params.name}`,
        }),
      },
    },
  });
  await server.start();
  serve(`127.0.0.1:${port}/server`);
} else {
  const client = broker("client", { urls: [settings().address] });
  await client.start();
  await client.waitForServices("greeter");
  await greetings((input) => client.call("greeter.hello", input));
}
