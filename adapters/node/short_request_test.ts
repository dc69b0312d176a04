import assert from "node:assert/strict";
import { test } from "node:test";
import { text, utf8 } from "../../runtime/bytes.ts";
import { LONGEST_HEAD } from "../web/bounds.ts";
import { type ShortHead, shortHead, ShortRequest } from "./short_request.ts";

const LINE = "POST /a.B/C?d=1 HTTP/1.1\r\n";
const HOST = "Host: x\r\n";
const LENGTH = "Content-Length: 5\r\n";

/** What is read of bytes, one a character. */
function read(sent: string, last?: ShortHead): ShortHead | undefined {
  return shortHead(Buffer.from(sent, "latin1"), last);
}

test("a short request is read as it stands there", () => {
  const chunk = Buffer.from(
    `${LINE}${HOST}X-Latin: gr\u00fc\u00df\r\nX-Space: \t a b\t \r\nX-None:\r\nx-nbsp: \u00a0\r\n${LENGTH}\r\ninput`,
    "latin1",
  );
  const request = new ShortRequest(shortHead(chunk, undefined)!, chunk);
  assert.equal(request.method, "POST");
  assert.equal(request.path, "/a.B/C?d=1");
  assert.equal(request.url, "http://localhost/a.B/C?d=1");
  const all: [string, string][] = [];
  request.headers.forEach((value, name) => all.push([name, value]));
  assert.deepEqual(all, [
    ["host", "x"],
    ["x-latin", "gr\u00fc\u00df"],
    ["x-space", "a b"],
    ["x-none", ""],
    ["x-nbsp", "\u00a0"],
    ["content-length", "5"],
  ]);
  assert.equal(request.header("host"), "x");
  assert.equal(request.get("x-latin"), "gr\u00fc\u00df");
  assert.equal(request.get("constructor"), null);
  assert.equal(request.header("constructor"), null);
  assert.equal(text(request.whole), "input");
  assert.equal(Object.getPrototypeOf(request.whole), Uint8Array.prototype);
});

test("its body is read whole, or as a stream, or not at all", async () => {
  const given = (sent: string) => {
    const chunk = Buffer.from(sent);
    return new ShortRequest(shortHead(chunk, undefined)!, chunk);
  };
  const full = `${LINE}${HOST}${LENGTH}\r\ninput`;
  assert.equal(text(await given(full).bytes()), "input");
  assert.deepEqual(await Array.fromAsync(given(full).body), [utf8("input")]);
  await given(full).body.cancel();
  assert.deepEqual(await Array.fromAsync(given(`${LINE}${HOST}Content-Length: 0\r\n\r\n`).body), []);
});

test("a head that is the last one's is not read again; one that only begins so is", () => {
  const first = read(`${LINE}${HOST}${LENGTH}\r\ninput`)!;
  assert.equal(read(`${LINE}${HOST}${LENGTH}\r\nother`, first), first);
  const further = read(`${LINE}${HOST}${LENGTH}X: 1\r\n\r\nother`, first)!;
  assert.equal(further.headers.get("x"), "1");
  assert.equal(read(`${LINE}${HOST}${LENGTH}\r\nothers`, first), undefined);
  assert.equal(read(`${LINE}${HOST}${LENGTH}\r\ninpu`, first), undefined);
});

test("a head may be longer than is looked at first, and no longer than node:http takes", () => {
  const long = (length: number) => `${LINE}${HOST}X: ${"y".repeat(length)}\r\n${LENGTH}\r\ninput`;
  assert.equal(read(long(5_000))!.headers.get("x")!.length, 5_000);
  assert.equal(read(long(LONGEST_HEAD)), undefined);
});

test("what could be read in two ways, is not whole, or is more than a short request, is left alone", () => {
  const one = `${LINE}${HOST}${LENGTH}\r\ninput`;
  const odd: Record<string, string> = {
    "nothing": "",
    "no HTTP": "POST / HTTQ/1.1\r\n\r\n",
    "HTTP/2's preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a line before it": `\r\n${one}`,
    "an older HTTP": one.replace("HTTP/1.1", "HTTP/1.0"),
    "a later HTTP": one.replace("HTTP/1.1", "HTTP/1.2"),
    "another method": one.replace("POST", "PUT"),
    "a method in lower case": one.replace("POST", "post"),
    "a full address": one.replace("/a.B", "http://y/a.B"),
    "an asterisk": one.replace("/a.B/C?d=1", "*"),
    "a space in the path": one.replace("C?", "C ?"),
    "two spaces": one.replace(" HTTP", "  HTTP"),
    "a tab for a space": one.replace(" HTTP", "\tHTTP"),
    "a control character in the path": one.replace("C?", "C\x01?"),
    "a path beyond ASCII": one.replace("C?", "\u00fc?"),
    "no host": one.replace(HOST, ""),
    "two hosts": one.replace(HOST, HOST + HOST),
    "no length": one.replace(LENGTH, ""),
    "two lengths": one.replace(LENGTH, `${LENGTH}content-length: 6\r\n`),
    "the same length twice": one.replace(LENGTH, LENGTH + LENGTH),
    "a list of lengths": one.replace("5\r\n", "5, 5\r\n"),
    "a signed length": one.replace("5\r\n", "+5\r\n"),
    "a negative length": one.replace("5\r\n", "-5\r\n"),
    "a length in hex": one.replace("5\r\n", "0x5\r\n"),
    "a length with a fraction": one.replace("5\r\n", "5.0\r\n"),
    "a length and a space of another kind": one.replace("5\r\n", "5\u00a0\r\n"),
    "an empty length": one.replace("5\r\n", "\r\n"),
    "a long length": `${LINE}${HOST}Content-Length: 100000\r\n\r\n${"x".repeat(100_000)}`,
    "a body in chunks": one.replace(LENGTH, "Transfer-Encoding: chunked\r\n"),
    "a body in chunks and a length": one.replace(LENGTH, `${LENGTH}Transfer-Encoding: chunked\r\n`),
    "a transfer that is none": one.replace(LENGTH, `${LENGTH}Transfer-Encoding: identity\r\n`),
    "a request that waits to be told to go on": one.replace(LENGTH, `${LENGTH}Expect: 100-continue\r\n`),
    "a request that is the last": one.replace(LENGTH, `${LENGTH}Connection: close\r\n`),
    "a connection's options": one.replace(LENGTH, `${LENGTH}Connection: keep-alive, close\r\n`),
    "a proxy's connection": one.replace(LENGTH, `${LENGTH}Proxy-Connection: close\r\n`),
    "an upgrade": one.replace(LENGTH, `${LENGTH}Connection: upgrade\r\nUpgrade: h2c\r\n`),
    "trailers": one.replace(LENGTH, `${LENGTH}Trailer: x\r\n`),
    "a header twice": one.replace(LENGTH, `${LENGTH}X-A: 1\r\nx-a: 1\r\n`),
    "a space before a colon": one.replace(LENGTH, `${LENGTH}X-A : 1\r\n`),
    "a header that is folded": one.replace(LENGTH, `${LENGTH}X-A: 1\r\n 2\r\n`),
    "a first header that is folded": one.replace(HOST, ` folded\r\n${HOST}`),
    "a header without a name": one.replace(LENGTH, `${LENGTH}: 1\r\n`),
    "a header without a colon": one.replace(LENGTH, `${LENGTH}X-A\r\n`),
    "a NUL": one.replace(LENGTH, `${LENGTH}X-A: \0\r\n`),
    "a CR in a value": one.replace(LENGTH, `${LENGTH}X-A: 1\rX-B: 2\r\n`),
    "an LF in a value": one.replace(LENGTH, `${LENGTH}X-A: 1\nX-B: 2\r\n`),
    "lines that end in LF": one.replaceAll("\r\n", "\n"),
    "one line that ends in LF": one.replace(HOST, "Host: x\n"),
    "an empty line that ends in LF": `${LINE}${HOST}${LENGTH}\ninput`,
    "a line that ends in two CR": one.replace(HOST, "Host: x\r\r\n"),
    "a body that is not whole": one.slice(0, -1),
    "more than one request": one + one,
    "the start of another request": one + "P",
  };
  for (const [what, sent] of Object.entries(odd)) assert.equal(read(sent), undefined, what);
  for (let length = 1; length < one.length; length++) {
    assert.equal(read(one.slice(0, length)), undefined, `the first ${length} bytes`);
  }
  assert.notEqual(read(one), undefined);
  assert.notEqual(read(one.replace(LENGTH, `${LENGTH}Connection: Keep-Alive\r\n`)), undefined);
});

test("a head made to be read slowly is not", () => {
  // What tries every way to share white space between two parts takes minutes for these.
  const spaces = " ".repeat(16_000);
  assert.equal(read(`${LINE}${HOST}${LENGTH}X:${spaces}\0\r\n\r\n`), undefined);
  assert.equal(read(`POST /${"a".repeat(16_000)} HTTP/1.0\r\n\r\n`), undefined);
  assert.equal(read(`${LINE}${"a".repeat(16_000)}\r\n\r\n`), undefined);
  assert.equal(read(`${LINE}${HOST}X:${spaces}\r\n${LENGTH}\r\ninput`)!.headers.get("x"), "");
});
