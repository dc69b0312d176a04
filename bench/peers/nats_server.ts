/**
 * Where Debian's nats-server is.
 *
 * @module
 */
import { existsSync } from "node:fs";
import process from "node:process";

/** The path of nats-server; `undefined`: it is not installed. */
export function natsServer(): string | undefined {
  const folders = [...(process.env.PATH ?? "").split(":"), "/usr/sbin"];
  return folders.map((folder) => `${folder}/nats-server`).find((path) => existsSync(path));
}
