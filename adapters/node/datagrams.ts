/**
 * Datagrams over `node:dgram`, the same on Node, Deno and Bun.
 *
 * @module
 */

import process from "node:process";
import { networkInterfaces } from "node:os";
import type { DatagramOptions, DatagramSocket } from "../../runtime/platform.ts";
import { type Interface, locate } from "./local_link.ts";

// Not imported: in a program of one file an import is done at its start, wanted or not.
const { createSocket } = process.getBuiltinModule("node:dgram");

/** For how long the machine's interfaces are taken to be as they were, in ms. */
const INTERFACES_FOR = 5_000;

/** Opens a datagram socket over IPv4. */
export async function bindDatagrams(options: DatagramOptions): Promise<DatagramSocket> {
  const { port, group, through, receive } = options;
  // A socket of a group shares its port with the other programs that are in it.
  const socket = createSocket({ type: "udp4", reuseAddr: group !== undefined });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(port, "0.0.0.0", () => {
      socket.off("error", reject);
      resolve();
    });
  });
  // What goes wrong with one datagram is told by its send; without a listener it would end the process.
  socket.on("error", () => {});
  try {
    socket.setMulticastTTL(255);
    socket.setMulticastLoopback(true);
    if (through !== undefined) socket.setMulticastInterface(through);
    if (group !== undefined) join(group, (each) => socket.addMembership(group, each));
  } catch (error) {
    socket.close();
    throw error;
  }
  socket.on("message", (data, { address, port }) => {
    const place = locate(address, interfaces());
    if (place === "elsewhere") return;
    receive(new Uint8Array(data.buffer, data.byteOffset, data.length), {
      address,
      port,
      here: place === "here",
    });
  });
  socket.unref();
  let closed: Promise<void> | undefined;
  return {
    port: socket.address().port,
    send: (data, to) =>
      closed !== undefined
        ? Promise.reject(new Error(`The datagram socket is closed: nothing can be sent to ${to.address}`))
        : new Promise((resolve, reject) => {
          socket.send(data, to.port, to.address, (error) => error ? reject(error) : resolve());
        }),
    [Symbol.asyncDispose]: () => closed ??= new Promise((resolve) => socket.close(() => resolve())),
  };
}

/** Joins a group on every interface; one that has no multicast is passed over, unless none has any. */
function join(group: string, joinOn: (address: string) => void): void {
  let failure: unknown;
  let joined = 0;
  for (const { address } of interfaces()) {
    try {
      joinOn(address);
      joined++;
    } catch (error) {
      // Two addresses of one interface: the second time the system says that it is a member already.
      if ((error as { code?: string }).code === "EADDRINUSE") joined++;
      else failure = error;
    }
  }
  if (joined === 0) throw failure ?? new Error(`No interface with an IPv4 address to join ${group} on`);
}

let known: readonly Interface[] = [];
let knownAt = -Infinity;

function interfaces(): readonly Interface[] {
  const now = performance.now();
  if (now - knownAt > INTERFACES_FOR) {
    known = Object.values(networkInterfaces()).flatMap((each) =>
      (each ?? []).filter(({ family }) => family === "IPv4").map(({ address, netmask }) => ({
        address,
        netmask,
      }))
    );
    knownAt = now;
  }
  return known;
}
