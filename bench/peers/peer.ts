/**
 * What the peers' scripts share. Their packages are installed when they are asked for, and not where types are checked:
 * each script says the types of what it uses.
 *
 * @module
 */
import process from "node:process";
import { createServer } from "node:net";
import { once } from "node:events";
import { load } from "../load.ts";

/** `server` or `load`: which end this process is. */
export const role: string | undefined = process.argv[2];

/**
 * Imports a package of `bench/peers`.
 *
 * @param name Its name, or what it exports: `@trpc/server/adapters/ws`.
 */
export async function peer<T>(name: string): Promise<T> {
  return await import(name) as T;
}

/**
 * The load of the unary question: asks for greetings and checks them.
 *
 * @param hello Makes one call.
 */
export function greetings(
  hello: (input: { name: string }) => PromiseLike<{ greeting: string }>,
): Promise<void> {
  return load(async (n) => {
    const { greeting } = await hello({ name: `user${n & 1023}` });
    if (greeting !== `Hello user${n & 1023}`) {
      throw new Error(`wrong answer: ${greeting}`);
    }
  });
}

/** A port of the loopback that was free a moment ago, for servers that do not tell which one they took. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
