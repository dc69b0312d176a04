/** How a real process of this runtime ends when it cannot start, and what it says then. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { currentRuntime } from "../tools/runtimes.ts";
import { spawnOn } from "./processes.ts";

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "muon-start-"));
});
after(() => rm(directory, { recursive: true, force: true }));

const start = (...args: string[]) =>
  spawnOn(currentRuntime(), "tests/fixtures/routed.ts", {
    args,
    env: { MICRO_REGISTRY_ADDRESS: directory },
  });

/** Runs it to its end, and gives its code and the one line it says. */
async function ended(...args: string[]): Promise<{ readonly code: number | null; readonly message: string }> {
  await using service = start(...args);
  const code = await service.exited;
  const lines = service.stderr.trim().split("\n");
  assert.equal(lines.length, 1, service.stderr);
  return { code, message: JSON.parse(lines[0]!).message };
}

test("a wrong flag ends it with 2 and one line, without a stack", async () => {
  const registry = await ended("--registry=memry");
  assert.equal(registry.code, 2);
  assert.match(registry.message, /^--registry must be one of .*"memry"; did you mean "memory"\?$/);
  const ttl = await ended("--register_ttl=5");
  assert.equal(ttl.code, 2);
  assert.match(ttl.message, /half of --register_ttl/);
});

test("an address in use, and a file that is missing, end it with 1 and one line", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as AddressInfo;
  const taken = await ended(`--server_address=127.0.0.1:${port}`);
  await new Promise((resolve) => other.close(resolve));
  assert.equal(taken.code, 1);
  assert.match(taken.message, /^Cannot listen on 127\.0\.0\.1:\d+: the address is in use; /);
  const gone = await ended("--tls_cert_file=/gone.pem", "--tls_key_file=/gone.pem");
  assert.equal(gone.code, 1);
  assert.match(gone.message, /^Cannot read the file \/gone\.pem \(--tls_cert_file\): there is none$/);
});
