import assert from "node:assert/strict";
import { test } from "node:test";
import { MuonError } from "../errors.ts";
import { checkExposure, listenTls } from "./tls.ts";

test("there is TLS once there are certificate and key, unless it is turned off", () => {
  const pair = { cert: "c", key: "k" };
  assert.equal(listenTls(undefined), undefined);
  assert.equal(listenTls({ ca: "a" }), undefined, "authorities are for the nodes that are called");
  assert.deepEqual(listenTls({ ...pair, ca: "a" }), pair);
  assert.deepEqual(listenTls({ ...pair, clientCa: "b" }, true), { ...pair, clientCa: "b" });
  assert.equal(listenTls(pair, false), undefined);
});

test("what is missing is named, and the flag that gives it", () => {
  assert.throws(() => listenTls({ cert: "c" }), /the key is missing.*--tls_cert_file and --tls_key_file/);
  assert.throws(() => listenTls({ key: "k" }), /the certificate is missing/);
  assert.throws(() => listenTls(undefined, true), /^TypeError: --enable_tls needs a certificate/);
  assert.throws(() => listenTls({ clientCa: "b" }), /--tls_client_ca_file .* needs a certificate/);
});

test("nobody listens beyond loopback without TLS by accident", () => {
  const options = { address: "0.0.0.0:80" };
  assert.throws(() => checkExposure("0.0.0.0", { tls: undefined, options }), (error: MuonError) => {
    assert.ok(error instanceof MuonError);
    assert.equal(error.status, "failed_precondition");
    assert.match(error.detail, /0\.0\.0\.0:80 without TLS.*--tls_cert_file.*--insecure/);
    return true;
  });
  checkExposure("0.0.0.0", { tls: { cert: "c", key: "k" }, options });
  checkExposure("0.0.0.0", { tls: undefined, options: { insecure: true } });
  checkExposure("::1", { tls: undefined, options: {} });
});
