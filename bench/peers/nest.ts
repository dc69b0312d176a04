/** NestJS microservices over TCP. Its decorators are called as functions, which are the same in all dialects. */
import { serve, settings } from "../load.ts";
import { freePort, greetings, peer, role } from "./peer.ts";

interface Common {
  Controller(): ClassDecorator;
  Module(metadata: { controllers: unknown[] }): ClassDecorator;
}
interface Microservices {
  MessagePattern(pattern: string): MethodDecorator;
  Transport: { TCP: unknown };
  ClientProxyFactory: {
    create(
      options: unknown,
    ): {
      connect(): Promise<void>;
      send(pattern: string, data: unknown): unknown;
    };
  };
}
interface Core {
  NestFactory: {
    createMicroservice(
      module: unknown,
      options: unknown,
    ): Promise<{ listen(): Promise<void> }>;
  };
}

await peer("reflect-metadata");
const { Controller, Module } = await peer<Common>("@nestjs/common");
const { NestFactory } = await peer<Core>("@nestjs/core");
const { ClientProxyFactory, MessagePattern, Transport } = await peer<
  Microservices
>("@nestjs/microservices");

if (role === "server") {
  class Greeter {
    hello({ name }: { name: string }) {
      return { greeting: `Hello ${name}` };
    }
  }
  Controller()(Greeter);
  const descriptor = Object.getOwnPropertyDescriptor(
    Greeter.prototype,
    "hello",
  )!;
  MessagePattern("hello")(Greeter.prototype, "hello", descriptor);
  class App {}
  Module({ controllers: [Greeter] })(App);
  const options = { host: "127.0.0.1", port: await freePort() };
  const app = await NestFactory.createMicroservice(App, {
    transport: Transport.TCP,
    options,
    logger: false,
  });
  await app.listen();
  serve(`127.0.0.1:${options.port}`);
} else {
  const { firstValueFrom } = await peer<
    { firstValueFrom(of: unknown): Promise<{ greeting: string }> }
  >(
    "rxjs",
  );
  const [host, port] = settings().address.split(":");
  const client = ClientProxyFactory.create({
    transport: Transport.TCP,
    options: { host, port: Number(port) },
  });
  await client.connect();
  await greetings((input) => firstValueFrom(client.send("hello", input)));
}
