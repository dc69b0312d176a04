import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { utf8 } from "../bytes.ts";
import { CALL_POLICY, type PolicyProvider } from "../policy.ts";
import { byVersion } from "../selector/filters.ts";
import { byOwnWeight } from "../selector/weights.ts";
import { createVirtualSystem, type VirtualSystemOptions } from "../virtual_platform.ts";
import { FLAGS } from "./flag_table.ts";
import {
  asksForHelp,
  checkOwn,
  type ReadOptions,
  readSettings,
  type Settings,
  withSettings,
} from "./flags.ts";
import { helpText } from "./help.ts";

const PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n";

async function read(
  machine: VirtualSystemOptions & { readonly content?: Readonly<Record<string, string>> },
  options: Partial<ReadOptions> = {},
): Promise<Settings> {
  const { platform } = createVirtualSystem(machine);
  await platform.files.makeDirectory("/etc");
  for (const [name, content] of Object.entries(machine.content ?? {})) {
    await platform.files.writeAtomic(`/etc/${name}`, utf8(content));
  }
  return readSettings(platform, { args: true, scope: "service", ...options });
}

const line = (...args: string[]) => read({ args });

async function refused(args: readonly string[], message: RegExp, options: Partial<ReadOptions> = {}) {
  await assert.rejects(read({ args }, options), (error: Error) => {
    assert.ok(error instanceof TypeError);
    assert.match(error.message, message);
    return true;
  });
}

/** A text for each flag, and what it must become; of those that set an option. */
const OPTIONS: Readonly<Record<string, readonly [text: string, option: string, value: unknown]>> = {
  server_name: ["greeter", "name", "greeter"],
  server_version: ["1.0.0", "version", "1.0.0"],
  server_id: ["n1", "id", "n1"],
  server_address: [":8080", "address", ":8080"],
  server_advertise: ["10.0.0.1:80", "advertise", "10.0.0.1:80"],
  server_metadata: ["a=b=c", "metadata", { a: "b=c" }],
  max_concurrent_calls: ["100", "maxConcurrentCalls", 100],
  register_ttl: ["90", "registerTtl", 90_000],
  register_interval: ["1m30s", "registerInterval", 90_000],
  stop_timeout: ["500ms", "stopTimeout", 500],
  registry: ["memory", "registry", "memory"],
  registry_address: ["/tmp/x", "registryAddress", "/tmp/x"],
  selector: ["leastconn", "selector", "leastconn"],
  selector_ejection: ["5:10s:2m", "ejection", {
    consecutiveFailures: 5,
    baseTime: 10_000,
    maxTime: 120_000,
  }],
  broker: ["memory", "broker", "memory"],
  broker_address: ["h:1", "brokerAddress", "h:1"],
  transport: ["memory", "transport", "memory"],
  transport_address: ["h:2", "transportAddress", "h:2"],
  insecure: ["true", "insecure", true],
  log_level: ["debug", "logLevel", "debug"],
  log_format: ["json", "logFormat", "json"],
};

describe("each flag", () => {
  for (const [name, [text, option, value]] of Object.entries(OPTIONS)) {
    test(`--${name} sets ${option}, as do its variables`, async () => {
      const upper = name.toUpperCase();
      const ways: VirtualSystemOptions[] = [
        { args: [`--${name}=${text}`] },
        { args: [`--${name.replaceAll("_", "-")}=${text}`] },
        { env: { [`MICRO_${upper}`]: text } },
        { env: { [`MUON_${upper}`]: text } },
      ];
      if (FLAGS[name]!.kind !== "boolean") ways.push({ args: [`--${name}`, text] });
      for (const way of ways) {
        assert.deepEqual((await read(way)).options, { [option]: value }, JSON.stringify(way));
      }
    });
  }

  test("is either tried above or below", () => {
    const below = Object.keys(FLAGS).filter((name) => !(name in OPTIONS));
    assert.deepEqual(below.toSorted(), [
      "client",
      "client_pool_size",
      "client_pool_ttl",
      "client_request_timeout",
      "client_retries",
      "config_file",
      "enable_tls",
      "selector_filter",
      "selector_weight",
      "server",
      "tls_ca_file",
      "tls_cert_file",
      "tls_client_ca_file",
      "tls_key_file",
    ]);
  });

  test("of calls changes the policy, whoever made it", async () => {
    const settings = await line("--client_request_timeout=500ms", "--client_retries", "0");
    assert.deepEqual(settings.policy, { timeout: 500, retries: 0 });
    const policy = (given: Parameters<typeof withSettings>[0]["policy"]) =>
      (withSettings({ policy: given }, settings).policy as PolicyProvider).call("a", "A.B");
    assert.deepEqual(policy(undefined), { ...CALL_POLICY, timeout: 500, retries: 0 });
    assert.deepEqual(policy({ timeout: 9, backoff: 7 }), {
      ...CALL_POLICY,
      timeout: 500,
      retries: 0,
      backoff: 7,
    });
    let inner = { timeout: 9, retries: 9, backoff: 1, maxBackoff: 2 };
    const provider = { call: () => inner };
    const over = withSettings({ policy: provider }, settings).policy as PolicyProvider;
    assert.deepEqual(over.call("a", "A.B"), { timeout: 500, retries: 0, backoff: 1, maxBackoff: 2 });
    assert.equal(over.call("a", "A.B"), over.call("c", "C.D"), "made once");
    inner = { ...inner, backoff: 3 };
    assert.equal(over.call("a", "A.B").backoff, 3, "the provider may change its mind");
    assert.equal(withSettings({ policy: provider }, await line()).policy, provider);
    await refused(["--client_request_timeout=0"], /^--client_request_timeout must be more than 0/);
  });

  test("of files reads them", async () => {
    const content = { "c.pem": PEM, "k.pem": PEM, "a.pem": PEM, "b.pem": PEM, "no.pem": "nothing" };
    const args = [
      "--tls_cert_file=/etc/c.pem",
      "--tls_key_file=/etc/k.pem",
      "--tls_ca_file=/etc/a.pem",
      "--tls_client_ca_file=/etc/b.pem",
      "--enable_tls",
    ];
    const settings = await read({ args, content });
    assert.deepEqual(settings.tls, { cert: PEM, key: PEM, ca: PEM, clientCa: PEM, enabled: true });
    assert.deepEqual(withSettings({ tls: { cert: "code" } }, settings).tls, {
      cert: PEM,
      key: PEM,
      ca: PEM,
      clientCa: PEM,
    });
    await assert.rejects(
      read({ env: { MICRO_TLS_CA_FILE: "/etc/gone" } }),
      /Cannot read the file \/etc\/gone \(MICRO_TLS_CA_FILE\): there is none/,
    );
    await assert.rejects(read({ args: ["--tls-ca-file=/etc"] }), /Cannot read the file \/etc .*EISDIR/);
    await assert.rejects(
      read({ args: ["--tls_ca_file=/etc/no.pem"], content }),
      /\/etc\/no\.pem \(--tls_ca_file\) is not PEM/,
    );
  });

  test("of filters and weights adds them to those of code", async () => {
    const ways: Parameters<typeof read>[0][] = [
      { args: ["--selector_filter=version=1.0.0", "--selector-filter", "label:zone=eu-1"] },
      { env: { MUON_SELECTOR_FILTER: "version=1.0.0,label:zone=eu-1" } },
      { env: { MICRO_SELECTOR_FILTER: "version=1.0.0,label:zone=eu-1" } },
      ...['["version=1.0.0", "label:zone=eu-1"]', '"version=1.0.0,label:zone=eu-1"'].map((text) => ({
        args: ["--config_file=/etc/x.json"],
        content: { "x.json": `{ "selector_filter": ${text} }` },
      })),
    ];
    for (const way of ways) {
      const settings = await read(way, { scope: "mesh" });
      const { filters } = withSettings({ filters: [byVersion("2")] }, settings);
      const names = filters?.map(({ name }) => name);
      assert.deepEqual(names, ["version=2", "version=1.0.0", "label zone=eu-1"], JSON.stringify(way));
    }
    const weighed = await line("--selector_weight=own", "--selector_weight=label:zone=eu-1:9");
    const { weights } = withSettings({ weights: [byOwnWeight("mine")] }, weighed);
    assert.deepEqual(weights?.map(({ name }) => name), ["own mine", "own weight", "label zone"]);
    const code = { filters: [byVersion("2")], weights: [byOwnWeight()] };
    assert.deepEqual(withSettings(code, await line()), code);
    await assert.rejects(
      read({ args: ["--config_file=/etc/x.json"], content: { "x.json": '{ "selector_weight": [9] }' } }),
      /"selector_weight" in \/etc\/x\.json must be a string or an array of strings: current value is \[9\]/,
    );
  });

  test("of a selector that does what muon does always is taken, and said to have no effect", async () => {
    const settings = await read({ args: ["--selector=blacklist"], env: { MICRO_SELECTOR: "cache" } });
    assert.equal(settings.options.selector, undefined);
    assert.match(
      settings.notes.join(),
      /^--selector blacklist has no effect: muon leaves out nodes that fail always/,
    );
    assert.equal(withSettings({ selector: "leastconn" }, settings).selector, "leastconn");
    const { notes } = await read({ env: { MICRO_SELECTOR: "cache" } });
    assert.match(notes.join(), /^MICRO_SELECTOR cache has no effect: muon keeps the nodes/);
  });

  test("that says when nodes are left out", async () => {
    assert.equal((await line("--selector_ejection", "off")).options.ejection, false);
    assert.deepEqual((await line("--selector_ejection=7")).options.ejection, { consecutiveFailures: 7 });
    await refused(["--selector_ejection", "x"], /--selector_ejection must be off, or FAILURES\[:TIME/);
    await refused(["--selector_ejection", "1:2:3:4"], /must be off, or FAILURES/);
    await refused(
      ["--selector_ejection", "0"],
      /--selector_ejection: consecutiveFailures of ejection must be/,
    );
    await refused(["--selector_ejection", "3:5s:1s"], /maxTime finite and no less/);
  });

  test("that has no meaning here is taken, and said to have no effect", async () => {
    const settings = await read({
      args: ["--client_pool_size=100", "--client_pool_ttl=1m", "--server=rpc"],
      env: { MICRO_CLIENT: "grpc" },
    });
    assert.deepEqual(settings.options, {});
    assert.equal(settings.notes.length, 4);
    assert.match(settings.notes.join("\n"), /^--client_pool_size has no effect: one link/m);
    assert.match(settings.notes.join("\n"), /^MICRO_CLIENT has no effect/m);
    await refused(["--client_pool_size=many"], /whole number/);
  });
});

describe("precedence", () => {
  const content = { "muon.json": JSON.stringify({ registry: "of-file", "server-name": "of-file" }) };
  const MICRO_REGISTRY = "of-micro";
  const MUON_REGISTRY = "of-muon";
  const MUON_CONFIG_FILE = "/etc/muon.json";

  test("is flag, MUON_*, MICRO_*, file, code", async () => {
    const env = { MICRO_REGISTRY, MUON_REGISTRY, MUON_CONFIG_FILE };
    const registry = async (machine: Parameters<typeof read>[0]) =>
      withSettings({ registry: "of-code" }, await read(machine)).registry;
    assert.equal(await registry({ args: ["--registry=of-flag"], env, content }), "of-flag");
    assert.equal(await registry({ env, content }), "of-muon");
    assert.equal(await registry({ env: { MICRO_REGISTRY, MUON_CONFIG_FILE }, content }), "of-micro");
    assert.equal(await registry({ env: { MUON_CONFIG_FILE }, content }), "of-file");
    assert.equal(await registry({}), "of-code");
    assert.equal(await registry({ env: { MUON_REGISTRY: "", MICRO_REGISTRY } }), "of-micro");
  });

  test("of a file: any flag, of any kind", async () => {
    const all = {
      server_metadata: { a: "1", b: "2" },
      register_ttl: 30,
      register_interval: "5s",
      insecure: true,
      client_retries: 1,
    };
    const settings = await read({
      args: ["--config_file=/etc/all.json"],
      content: { "all.json": JSON.stringify(all) },
    });
    assert.deepEqual(settings.options, {
      metadata: { a: "1", b: "2" },
      registerTtl: 30_000,
      registerInterval: 5_000,
      insecure: true,
    });
    assert.deepEqual(settings.policy, { retries: 1 });
  });

  test("and what is wrong with a file is said", async () => {
    const wrong: readonly [string, RegExp][] = [
      ["{", /\/etc\/x\.json \(--config_file\): it is not JSON/],
      ["[]", /must be an object of flags/],
      ['{ "registy": "x" }', /Unknown "registy" in \/etc\/x\.json; did you mean "registry"\?/],
      ['{ "registry": ["x"] }', /"registry" in \/etc\/x\.json must be a string.*\["x"\]/],
      ['{ "server_metadata": [1] }', /must be an object of strings/],
      ['{ "register_ttl": "soon" }', /"register_ttl" in \/etc\/x\.json must be a duration/],
      [
        '{ "config-file": "/etc/y.json" }',
        /"config-file" in \/etc\/x\.json cannot be: a file names no other/,
      ],
      ['{ "server_name": "a", "server-name": "b" }', /"server-name" in .* is there twice/],
    ];
    for (const [text, message] of wrong) {
      await assert.rejects(
        read({ args: ["--config_file=/etc/x.json"], content: { "x.json": text } }),
        message,
      );
    }
    await assert.rejects(
      read({ env: { MUON_CONFIG_FILE: "/etc/gone" } }),
      /\(MUON_CONFIG_FILE\): there is none/,
    );
  });

  test("without the command line, flags count for nothing", async () => {
    const settings = await read({ args: ["--registry=x", "--nonsense"] }, { args: false });
    assert.deepEqual(settings.options, {});
  });

  test("a mesh reads what concerns it", async () => {
    const env = { MICRO_SERVER_NAME: "x", MICRO_REGISTRY: "memory", MICRO_INSECURE: "perhaps" };
    assert.deepEqual((await read({ env }, { args: false, scope: "mesh" })).options, { registry: "memory" });
  });
});

describe("a wrong command line", () => {
  test("names the nearest flag, and all there are", async () => {
    await refused(
      ["--registy=memory"],
      /^Unknown flag --registy; did you mean "--registry"\? There are --help, .*--broker/,
    );
    await refused(["--registery-adress", "x"], /did you mean "--registry_address"/);
    await refused(["--quite_another_thing"], /^Unknown flag --quite_another_thing\. There are --help/);
    await refused(["-server_name=x"], /^Unknown flag -server_name; did you mean "--server_name"/);
    await refused(["-x"], /^Unknown flag -x\./);
    await refused(["--constructor"], /^Unknown flag --constructor/);
  });

  test("says what a value must be", async () => {
    await refused(["--register_ttl=soon"], /^--register_ttl must be a duration as 500ms.*"soon"/);
    await refused(["--register_ttl=-5s"], /must be a duration/);
    await refused(["--register_ttl=9999h"], /at most 596h/);
    await refused(["--insecure=perhaps"], /^--insecure must be true or false: current value is "perhaps"/);
    await refused(["--client_retries=1.5"], /whole number from 0/);
    await refused(["--server_metadata=lonely"], /key=value: current value is "lonely"/);
    await refused(["--log_level=debgu"], /must be one of debug, info, warn, error.*did you mean "debug"/);
    await refused(["--server_name"], /^--server_name has no value: see --help$/);
    await refused(["--server_advertise=0.0.0.0:80"], /an address that others can call.*"0\.0\.0\.0:80"/);
    await refused(["--server_advertise", "[::]:80"], /an address that others can call/);
  });

  test("has a flag without a value, or with one that starts with -", async () => {
    const names = { registry: ["file", "kv"], broker: [], transport: [], selector: [] };
    const all = /^--registry has no value: it must be one of file, kv$/;
    await refused(["--registry"], all, { names });
    await refused(["--registry", "--server_name=x"], all, { names });
    await refused(["--log-level", "--", "x"], /^--log-level has no value: it must be one of debug, /);
    await refused(["--register_ttl", "-5s"], /a value that starts with "-" is written --register_ttl=-5s$/);
    await refused(["--client_retries", "-1"], /is written --client_retries=-1$/);
    const own = { name: { type: "string", help: "x" } } as const;
    await refused(["--name", "-x"], /^--name has no value: .* is written --name=-x$/, { own });
    assert.equal((await read({ args: ["--name=-x"] }, { own })).own.name, "-x");
    assert.equal((await read({ args: ["--name", "-"] }, { own })).own.name, "-");
  });

  test("has a value behind a yes-or-no flag without =, or a no- before it", async () => {
    const words = { words: true, own: { dry_run: { type: "boolean", help: "x" } } } as const;
    await refused(
      ["--insecure", "false"],
      /^The value of --insecure stands behind "=": write --insecure=false/,
      words,
    );
    await refused(["--dry-run", "true"], /--dry-run stands behind "=": write --dry_run=true/, words);
    await refused(["--insecure", "false"], /write --insecure=false/);
    await refused(["--no-insecure"], /^Unknown flag --no-insecure: write --insecure=false/);
    await refused(["--no_registry"], /^Unknown flag --no_registry; did you mean "--registry"/);
    const taken = await read(
      { args: ["--insecure=false", "false", "--dry-run", "yes", "--", "true"] },
      words,
    );
    assert.deepEqual(taken.options, { insecure: false });
    assert.deepEqual(taken.own, { dry_run: true });
    assert.deepEqual(taken.words, ["false", "yes", "true"]);
  });

  test("gives a flag twice", async () => {
    await refused(["--registry=a", "--registry", "b"], /^--registry is given 2 times: "a", then "b"/);
    await refused(["--server-name=a", "--server_name=a"], /--server_name is given 2 times/);
    await refused(["--insecure", "--insecure"], /--insecure is given 2 times/);
    const twice = await line("--server_metadata=a=1", "--server-metadata", "b=2");
    assert.deepEqual(twice.options.metadata, { a: "1", b: "2" });
    const listed = await read({ env: { MICRO_SERVER_METADATA: "a=1,b=2" } });
    assert.deepEqual(listed.options.metadata, { a: "1", b: "2" });
    await refused(
      ["--server_metadata=a=1", "--server_metadata", "a=2"],
      /^--server_metadata gives "a" twice: "1", then "2"/,
    );
    await assert.rejects(
      read({ env: { MICRO_SERVER_METADATA: "a=1," } }),
      /must be key=value: current value is "a=1,"/,
    );
  });

  test("has words that are no flags, unless they are wanted", async () => {
    await refused(["serve"], /Unexpected "serve" on the command line/);
    const wanted = await read({ args: ["a", "--registry=x", "--", "--no-flag"] }, { words: true });
    assert.deepEqual(wanted.words, ["a", "--no-flag"]);
    assert.deepEqual(wanted.options, { registry: "x" });
  });
});

describe("flags of the user's own", () => {
  const own = {
    run_client: { type: "boolean", help: "Launch the client" },
    times: { type: "number", help: "How often", default: 3 },
    wait: { type: "duration", help: "How long", env: "WAIT" },
    word: { type: "string", help: "What to say" },
  } as const;

  test("have their values, defaults and variables", async () => {
    assert.deepEqual((await read({}, { own })).own, {
      run_client: false,
      times: 3,
      wait: undefined,
      word: undefined,
    });
    const given = await read(
      { args: ["--run-client", "--times=1.5", "--word", "hey"], env: { WAIT: "2s", MICRO_TIMES: "7" } },
      { own },
    );
    assert.deepEqual(given.own, { run_client: true, times: 1.5, wait: 2_000, word: "hey" });
    await refused(["--times=x"], /--times must be a number/, { own });
    await refused(["--run_clent"], /did you mean "--run_client"/, { own });
    await refused(["--times=1", "--times=2"], /given 2 times/, { own });
  });

  test("must not be muon's, and be well named and made", () => {
    const help = "x";
    const wrong: readonly [Record<string, unknown>, RegExp][] = [
      [{ registry: { type: "string", help } }, /--registry is muon's own/],
      [{ help: { type: "boolean", help } }, /--help is muon's own/],
      [{ "run-client": { type: "boolean", help } }, /must be lower-case letters.*"run-client"/],
      [{ n: { type: "duration", help, default: "5s" } }, /default of the flag --n must be a number/],
      [{ n: { type: "int", help } }, /type of the flag --n must be one of boolean, string, .*"int"/],
    ];
    for (const [flags, message] of wrong) {
      assert.throws(() => checkOwn(flags as never), (error: Error) => {
        assert.ok(error instanceof TypeError);
        assert.match(error.message, message);
        return true;
      });
    }
  });
});

test("--help shows every flag, one's own first, and what there is to choose from", async () => {
  for (
    const args of ["--help", "-h", "--help --help", "--help=true", "--bogus --help", "serve -h --registry"]
  ) {
    assert.ok(asksForHelp(args.split(" ")), args);
  }
  for (const args of ["", "--help=false", "--registry=-h", "-- --help", "help"]) {
    assert.ok(!asksForHelp(args.split(" ")), args);
  }
  assert.deepEqual((await line("--help=false")).options, {});
  await refused(["--help=perhaps"], /^--help must be true or false: current value is "perhaps"/);
  const text = helpText({
    own: {
      run_client: { type: "boolean", help: "Launch the client", env: "RUN" },
      wait: { type: "duration", help: "How long", default: 1_500 },
    },
    options: { registry: "file", broker: { name: "mine" } as never, stopTimeout: 90_000, insecure: true },
    names: { registry: ["file", "memory"], broker: ["http"], transport: ["ws"], selector: ["random"] },
  });
  assert.match(text, /^Flags of this program:\n {2}--run_client +Launch the client \[\$RUN\]\n/);
  for (const name of Object.keys(FLAGS)) assert.match(text, new RegExp(`^  --${name} `, "m"));
  for (
    const line of [
      /--wait TIME +How long \(default: 1500ms\)/,
      /--registry TEXT +Registry: file, memory \(default: file\)/,
      /--broker TEXT +Broker: http \(default: mine\)/,
      /--server_address HOST:PORT +host:port to listen on \(default: 127\.0\.0\.1:0\)/,
      /--register_ttl TIME .*\(default: 60s\)/,
      /--stop_timeout TIME .*\(default: 90s\)/,
      /--client_retries N .*\(default: 2\)/,
      /--insecure .*\(default: true\)/,
      /--registry_address TEXT +Where it is: file's directory, kv's file or URL/,
      /--broker_address TEXT +Where it is; none of muon's takes one/,
      /--transport_address TEXT +Where it is; none of muon's takes one/,
    ]
  ) assert.match(text, new RegExp(`^ {2}${line.source}$`, "m"));
  assert.match(text, /^ {2}--register_ttl TIME +How long/m);
  assert.ok(text.split("\n").every((each) => each.length <= 120), "no line is too long for a terminal");
  assert.match(text, /^ {2}--help, -h +Show/m);
});
