import assert from "node:assert/strict";
import { test } from "node:test";
import {
  jsonLogger,
  lineLogger,
  type LogFields,
  type LoggerOptions,
  machineLogger,
  redact,
  SILENT,
} from "./log.ts";
import { createVirtualSystem } from "./virtual_platform.ts";

function line(message: string, fields?: LogFields): string {
  const lines: string[] = [];
  lineLogger((each) => lines.push(each)).info(message, fields);
  assert.equal(lines.length, 1);
  return lines[0]!;
}

test("a line has level, message and fields", () => {
  assert.equal(
    line("started", { port: 80, name: "greeter", note: "two words" }),
    'info  started port=80 name=greeter note="two words"\n',
  );
  assert.equal(
    line("x", { empty: "", none: undefined, nothing: null, list: [1, "a"] }),
    'info  x empty="" nothing=null list=[1,"a"]\n',
  );
});

test("only what matters enough is written", () => {
  const lines: string[] = [];
  const log = lineLogger((each) => lines.push(each), { level: "warn" });
  log.debug("d");
  log.info("i");
  log.warn("w");
  log.error("e");
  assert.deepEqual(lines, ["warn  w\n", "error e\n"]);
});

test("fields of a logger go with each of its lines", () => {
  const lines: string[] = [];
  const log = lineLogger((each) => lines.push(each)).with({ service: "greeter" }).with({
    endpoint: "Greeter.Hello",
  });
  log.info("x", { service: "other" });
  assert.deepEqual(lines, ["info  x service=other endpoint=Greeter.Hello\n"]);
});

test("secrets are not written, inside of values neither", () => {
  const written = line("login", {
    password: "p1",
    Authorization: "p2",
    apiKey: "p3",
    "x-api-key": "p4",
    deep: { list: [{ refresh_token: "p5" }] },
  });
  assert.ok(!/p\d/.test(written), written);
  assert.equal(written.match(/\[redacted\]/g)?.length, 5);
});

test("keys that sound like a secret are told from words that only look like one", () => {
  const secret = [
    ..."pwd pass passphrase jwt session cookie credentials connectionString dbPass DB_PASS db-pwd userPwd"
      .split(" "),
    ..."sessionId session_id SESSION x-session connection_string CONNECTION-STRING user.pass set-cookie"
      .split(" "),
    ..."awsCredentials idJwt passwordHash csrf_token auth x-auth userAuth otp userOtp pin card_pin".split(
      " ",
    ),
    ..."cardPIN accesskey bearer x-signature".split(" "),
  ];
  const innocent = [
    ..."passed passes passing compass bypass sessions sessionCount session_count passCount pass_rate".split(
      " ",
    ),
    ..."spin pins authors authority pinned option author key keyboard name obsession possession passenger connection string cookery"
      .split(" "),
  ];
  for (const key of secret) assert.equal(line("x", { [key]: "p1" }), `info  x ${key}=[redacted]\n`);
  for (const key of innocent) assert.equal(line("x", { [key]: "p1" }), `info  x ${key}=p1\n`);
});

test("texts under the name of a secret in JSON are not written", () => {
  const body = '{"user":"jo","password" : "p1\\"p2","deep":{"api_key":"p3"},"note":"\\"token\\":"}';
  const written = line("x", { body });
  assert.ok(!/p\d/.test(written), written);
  assert.equal(written.match(/\[redacted\]/g)?.length, 2);
  assert.match(written, /jo/);
});

test("nothing forges a line or steers a terminal", () => {
  const written = line("a\r\nerror b\x1b[31m\u2028", {
    x: "c\nd",
    y: "\x1b[2J",
    z: "\x9b1m",
    w: { k: "\x1b" },
  });
  // deno-lint-ignore no-control-regex
  assert.ok(!/[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028]/.test(written), JSON.stringify(written));
  assert.equal(written.split("\n").length, 2);
});

test("errors are written with their stack, what JSON cannot say somehow", () => {
  assert.match(line("x", { error: new Error("no disk") }), /error=".*no disk/);
  assert.match(line("x", { big: 10n }), /big=10\n/);
  const map = new Map<string, unknown>([["a", 1], ["token", "p1"], ["of", new Set([2])]]);
  assert.equal(line("x", { map }), 'info  x map={"a":1,"token":"[redacted]","of":[2]}\n');
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  assert.match(line("x", { loop }), /loop=\[object Object\]\n/);
});

test("the silent logger says nothing and stays silent", () => {
  assert.equal(SILENT.with({ a: 1 }), SILENT);
  assert.equal(SILENT.error("x"), undefined);
});

function objects(log: (logger: ReturnType<typeof jsonLogger>) => void, options?: LoggerOptions) {
  const lines: string[] = [];
  log(jsonLogger((each) => lines.push(each), options));
  return lines.map((each) => {
    assert.ok(each.endsWith("}\n") && each.indexOf("\n") === each.length - 1, "one object a line");
    return JSON.parse(each) as Record<string, unknown>;
  });
}

test("as JSON, a line is an object with time, level, message and fields", () => {
  const now = () => 1_700_000_000_123;
  const [one, two] = objects((log) => {
    log.with({ service: "greeter" }).info("order\ntaken", { order: 42, none: undefined });
    log.debug("not written");
    log.error("x", {
      level: "mine",
      error: new TypeError("no disk", { cause: new Error("full") }),
      big: 10n,
    });
  }, { now });
  assert.deepEqual(one, {
    time: "2023-11-14T22:13:20.123Z",
    level: "info",
    message: "order\ntaken",
    service: "greeter",
    order: 42,
  });
  assert.equal(two!.level, "error");
  assert.equal(two!.level_, "mine");
  assert.equal(two!.big, "10");
  const error = two!.error as { name: string; message: string; stack: string; cause: { message: string } };
  assert.deepEqual([error.name, error.message, error.cause.message], ["TypeError", "no disk", "full"]);
  assert.match(error.stack, /no disk/);
});

test("as JSON, secrets are not written, and what JSON cannot carry is, as text", () => {
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  const [one] = objects((log) =>
    log.info("at nats://user:p1@host", {
      password: "p2",
      deep: [{ token: "p3" }],
      url: "redis://:p4@h/1",
      loop,
      ok: 1,
    })
  );
  assert.ok(!/p\d/.test(JSON.stringify(one)), JSON.stringify(one));
  assert.deepEqual([one!.loop, one!.ok], ["[object Object]", 1]);
});

test("secrets that a text shows by itself are taken out", () => {
  assert.equal(redact("nats://user:hunter2@10.0.0.1:4222"), "nats://user:[redacted]@10.0.0.1:4222");
  assert.equal(redact("a://u:p@h and b://u:p@h"), "a://u:[redacted]@h and b://u:[redacted]@h");
  assert.equal(redact("Bearer abcdefgh.ijk-l"), "Bearer [redacted]");
  const found: readonly [string, string][] = [
    ["https://h/x?token=abc", "https://h/x?token=[redacted]"],
    ["GET /x?a=1&access_token=p1&b=2 failed", "GET /x?a=1&access_token=[redacted]&b=2 failed"],
    ['"/x?pwd=p1#top"', '"/x?pwd=[redacted]#top"'],
    ["postgres://u:p@ss@h/db", "postgres://u:[redacted]@h/db"],
    ["Bearer abc", "Bearer [redacted]"],
    ["authorization: Basic abcd", "authorization: Basic [redacted]"],
    ['{"authorization":"Basic YTpi"}', '{"authorization":"[redacted]"}'],
    ["sent Basic YTpi to it", "sent Basic [redacted] to it"],
    [
      "key is -----BEGIN EC PRIVATE KEY-----\nMHcC\nAQEE\n-----END EC PRIVATE KEY----- there",
      "key is [redacted] there",
    ],
    ["cut -----BEGIN PRIVATE KEY-----\nMHcC", "cut [redacted]"],
  ];
  for (const [text, left] of found) {
    assert.equal(redact(text), left);
    assert.equal(redact(left), left, "once more");
  }
  for (
    const harmless of [
      "Basic auth is off",
      "Bearer of news",
      "x?passed=1&compass=n",
      "-----BEGIN CERTIFICATE-----\nA",
    ]
  ) {
    assert.equal(redact(harmless), harmless);
  }
  for (const harmless of ["127.0.0.1:8080", "http://host:80/a@b", "a bearer of news", "file:///tmp/x"]) {
    assert.equal(redact(harmless), harmless);
  }
});

test("a machine's logger has the time, and the form that fits its stderr", () => {
  const written = (options?: Parameters<typeof machineLogger>[1], isTerminal = false) => {
    const { clock, platform } = createVirtualSystem();
    const machine = Object.create(platform, { isTerminal: { value: isTerminal } }) as typeof platform;
    machineLogger({ clock, platform: machine }, options).warn("x");
    return machine.stderr;
  };
  assert.equal(JSON.parse(written()).time, "2023-11-14T22:13:20.000Z");
  assert.equal(written(undefined, true), "22:13:20.000Z warn  x\n");
  assert.equal(written({ format: "text" }), "22:13:20.000Z warn  x\n");
  assert.equal(JSON.parse(written({ format: "json" }, true)).message, "x");
  assert.equal(written({ level: "error" }), "");
});

test("what has no text is no reason to fail", () => {
  const lines: string[] = [];
  const ring: Record<string, unknown> = Object.create(null);
  ring.self = ring;
  const odd = Object.assign(new Error("odd"), { stack: 7 });
  for (const make of [lineLogger, jsonLogger]) make((line) => lines.push(line)).warn("odd", { ring, odd });
  assert.match(lines[0]!, /ring=\[object\] odd="7"/);
  assert.match(lines[1]!, /"ring":"\[object\]"/);
});
