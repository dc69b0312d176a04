/** grpc-js, its messages by proto-loader, without TLS. */
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { serve, settings } from "../load.ts";
import { greetings, peer, role } from "./peer.ts";

type Done<T> = (error: Error | null, value?: T) => void;
interface Greeter {
  hello(input: { name: string }, done: Done<{ greeting: string }>): void;
}
interface Grpc {
  Server: new () => {
    addService(service: unknown, handlers: Record<string, unknown>): void;
    bindAsync(address: string, credentials: unknown, done: Done<number>): void;
  };
  ServerCredentials: { createInsecure(): unknown };
  credentials: { createInsecure(): unknown };
  loadPackageDefinition(definition: unknown): {
    bench: {
      Greeter: {
        new (address: string, credentials: unknown): Greeter;
        service: unknown;
      };
    };
  };
}
interface Call {
  readonly request: { readonly name: string };
}

const grpc = await peer<Grpc>("@grpc/grpc-js");
const loader = await peer<{ loadSync(path: string): unknown }>(
  "@grpc/proto-loader",
);
const definition = loader.loadSync(
  fileURLToPath(new URL("greeter.proto", import.meta.url)),
);
const { Greeter } = grpc.loadPackageDefinition(definition).bench;

if (role === "server") {
  const server = new grpc.Server();
  server.addService(Greeter.service, {
    hello: ({ request }: Call, done: Done<{ greeting: string }>) =>
      done(null, { greeting: `Hello ${request.name}` }),
  });
  const bind = promisify(server.bindAsync.bind(server)) as (
    address: string,
    how: unknown,
  ) => Promise<number>;
  serve(
    `127.0.0.1:${await bind(
      "127.0.0.1:0",
      grpc.ServerCredentials.createInsecure(),
    )}`,
  );
} else {
  const client = new Greeter(
    settings().address,
    grpc.credentials.createInsecure(),
  );
  await greetings((input) =>
    new Promise((resolve, reject) =>
      client.hello(
        input,
        (error, reply) => error === null ? resolve(reply!) : reject(error),
      )
    )
  );
}
