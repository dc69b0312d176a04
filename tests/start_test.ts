/** How a real process of this runtime ends when it cannot start, and what it says then. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { currentRuntime, runCommand } from "../tools/runtimes.ts";
import { CLIENT_KEY, SERVER_CERT, SERVER_KEY } from "./fixtures/tls.ts";
import { spawnOn } from "./processes.ts";
import { Namespace, withoutNamespaces } from "./support/namespace.ts";

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "muon-start-"));
});
after(() => rm(directory, { recursive: true, force: true }));

const start = (...args: string[]) =>
  spawnOn(currentRuntime(), "tests/fixtures/routed.ts", {
    args,
    env: { MICRO_REGISTRY_ADDRESS: directory, MICRO_LOG_FORMAT: "" },
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

test("so does a port that it has no right to", { skip: withoutNamespaces }, async () => {
  // A network of its own, as a container's may give everybody such ports; and the right to them taken away.
  await using machine = await Namespace.open();
  const args = ["--server_address=127.0.0.1:80"];
  const { file, args: words, env } = runCommand(currentRuntime(), "tests/fixtures/routed.ts", args);
  await using service = machine.spawn("setpriv", {
    args: ["--bounding-set=-net_bind_service", file, ...words],
    env: { ...env, MICRO_REGISTRY_ADDRESS: directory, MICRO_LOG_FORMAT: "" },
  });
  assert.equal(await service.exited, 1, service.stderr);
  assert.match(
    JSON.parse(service.stderr).message,
    /^Cannot listen on 127\.0\.0\.1:80: ports below 1024 are the administrator's; choose a higher one/,
  );
});

test("so do a key that is another certificate's, and an authority that is none", async () => {
  const file = async (name: string, content: string) => {
    const path = join(directory, name);
    await writeFile(path, content);
    return path;
  };
  const cert = `--tls_cert_file=${await file("cert.pem", SERVER_CERT)}`;
  const other = await ended(cert, `--tls_key_file=${await file("other.pem", CLIENT_KEY)}`);
  assert.equal(other.code, 1);
  assert.match(
    other.message,
    /--tls_key_file \(.*other\.pem\) does not belong to the certificate of --tls_cert_file \(.*cert\.pem\)$/,
  );
  const garbage = await file("garbage.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  const key = `--tls_key_file=${await file("key.pem", SERVER_KEY)}`;
  const authority = await ended(cert, key, `--tls_client_ca_file=${garbage}`);
  assert.equal(authority.code, 1);
  assert.match(
    authority.message,
    /--tls_client_ca_file \(.*garbage\.pem\) holds a certificate that cannot be read/,
  );
});

test("what a route throws is a line of the log, with where, and the service goes on", async () => {
  await using service = start();
  const [, address] = await service.ready(/"address":"([^"]+)"/);
  for (const at of ["one", "two?token=p1"]) {
    const response = await fetch(`http://${address}/boom/${at}`);
    assert.deepEqual([response.status, await response.text()], [500, "Internal Server Error"]);
  }
  assert.equal(await service.stop("SIGTERM"), 0);
  const lines = service.stderr.trim().split("\n").map((line) => JSON.parse(line));
  const failed = lines.filter(({ level }) => level === "error");
  assert.deepEqual(failed.map(({ message, method, path, error }) => [message, method, path, error.message]), [
    ["a route failed", "GET", "/boom/one", "the route broke"],
    ["a route failed", "GET", "/boom/two", "the route broke"],
  ]);
});
