/**
 * NATS request and reply, JSON in its messages, through Debian's nats-server. That runs on the server's core, and what it
 * uses counts as the server's.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { serve, settings, usage } from "../load.ts";
import { natsServer } from "./nats_server.ts";
import { freePort, greetings, peer, role } from "./peer.ts";

interface Message {
  json<T>(): T;
  respond(payload: string): boolean;
}
interface Connection {
  subscribe(
    subject: string,
    options: { callback: (error: Error | null, message: Message) => void },
  ): void;
  request(subject: string, payload: string): Promise<Message>;
  flush(): Promise<void>;
}

/** Starts nats-server, as a child of this process, so that it shares its core. */
async function startNats(port: number): Promise<ChildProcess> {
  const file = natsServer();
  if (file === undefined) {
    throw new Error("nats-server is not here: apt-get install nats-server");
  }
  const nats = spawn(file, ["-a", "127.0.0.1", "-p", String(port)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  // It has to be read on, or it would stop where the pipe is full.
  const lines = createInterface({ input: nats.stderr! });
  const ready = new Promise<void>((resolve, reject) => {
    lines.on("line", (line) => line.includes("Server is ready") && resolve());
    lines.on(
      "close",
      () => reject(new Error("nats-server ended before it was ready")),
    );
  });
  await ready;
  return nats;
}

/** CPU time of another process, all its threads, in µs: Linux tells what each was on a core in ns. */
function cpuOf(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).reduce((sum, task) => {
    return sum +
      Number(readFileSync(`${tasks}/${task}/schedstat`, "utf8").split(" ")[0]) /
        1000;
  }, 0);
}

const { connect } = await peer<
  { connect(options: { servers: string }): Promise<Connection> }
>(
  "@nats-io/transport-node",
);
if (role === "server") {
  const servers = `127.0.0.1:${await freePort()}`;
  const nats = await startNats(Number(servers.split(":")[1]));
  const connection = await connect({ servers });
  connection.subscribe("hello", {
    callback: (error, message) => {
      if (error !== null) throw error;
      message.respond(
        JSON.stringify({
          greeting: `Hello ${message.json<{ name: string }>().name}`,
        }),
      );
    },
  });
  await connection.flush();
  process.on("exit", () => nats.kill("SIGKILL"));
  serve(servers, {
    usage: () => {
      const { cpu, memory } = usage();
      return { cpu: cpu + cpuOf(nats.pid!), memory };
    },
    close: () => nats.kill("SIGKILL"),
  });
} else {
  const connection = await connect({ servers: settings().address });
  await greetings(async (input) => {
    const message = await connection.request("hello", JSON.stringify(input));
    return message.json();
  });
}
