/** What `run` does with a command line and with signals, on a machine in memory. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { registryThat, service, within, type World, world } from "../../tests/support/service_world.ts";
import { createService, type ServiceOptions } from "../../mod.ts";
import { sleep } from "../clock.ts";

describe("run", () => {
  /** Runs until it says that it runs. */
  async function running(made: World, options: ServiceOptions = {}) {
    const started = Promise.withResolvers<void>();
    const given = service(made, { ...options, afterStart: () => started.resolve() });
    const run = given.service.run();
    run.catch(started.reject);
    await started.promise;
    await made.clock.advance(0);
    return { ...given, run };
  }

  test("greets nobody where stderr is no terminal, unless it is told to write for people", async () => {
    const ways: readonly [Parameters<typeof world>[0], boolean][] = [
      [{}, false],
      [{ terminal: true }, true],
      [{ args: ["--log_format=text"] }, true],
      [{ terminal: true, env: { MICRO_LOG_FORMAT: "json" } }, false],
    ];
    for (const [machine, greets] of ways) {
      const made = world(machine);
      const { run } = await running(made);
      assert.equal(made.system.platform.stderr.startsWith("muon: greeter"), greets, JSON.stringify(machine));
      made.system.platform.raise("SIGTERM");
      await within(made.clock, run);
    }
    for (const args of [["--log-format", "json"], ["--log_format=json"]]) {
      const wrong = world({ terminal: true, args: ["--bogus", ...args] });
      await service(wrong).service.run();
      assert.match(JSON.parse(wrong.system.platform.stderr).message, /--bogus/);
    }
    const wrong = world({ terminal: true, args: ["--bogus"] });
    await service(wrong).service.run();
    assert.match(wrong.system.platform.stderr, /^Unknown flag --bogus/);
  });

  test("greets people, and ends at the first signal", async () => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      const made = world({ terminal: true });
      const { run } = await running(made);
      const { platform } = made.system;
      assert.match(platform.stderr, /^muon: greeter 1\.0\.0\n {2}address {3}127\.0\.0\.1:8080 \(muon\.v1/m);
      platform.raise(signal);
      await within(made.clock, run);
      assert.equal(platform.exitCode, undefined, "it ends by itself");
      assert.equal(platform.raise(signal), 0, "and listens to signals no more");
      assert.deepEqual(await made.registry.listServices(), []);
      await made.clock.advance(3_000);
      assert.equal(platform.exitCode, 0, "unless something keeps it alive");
    }
  });

  test("ends at once at the second signal", async () => {
    const made = world();
    const { run, service: one, entered, release } = await running(made);
    const call = one.call("greeter", "Greeter.Hang", undefined, { timeout: 60_000 });
    await entered;
    made.system.platform.raise("SIGTERM");
    await made.clock.advance(50);
    assert.equal(made.system.platform.exitCode, undefined);
    made.system.platform.raise("SIGINT");
    assert.equal(made.system.platform.exitCode, 130);
    release();
    await call;
    await within(made.clock, run);
  });

  test("that is told to end while it starts ends without an error", async () => {
    const made = world();
    const asked = Promise.withResolvers<void>();
    const registry = registryThat(made.registry, {
      register: () => {
        asked.resolve();
        return new Promise(() => {});
      },
    });
    const run = service(made, { registry, stopTimeout: 1_000 }).service.run();
    await asked.promise;
    made.system.platform.raise("SIGTERM");
    await within(made.clock, run);
    assert.equal(await made.listens(), false);
    assert.equal(made.system.platform.exitCode, undefined);
  });

  test("that is told to end while afterStart runs ends without an error, when it has stopped", async () => {
    const made = world();
    const begun = Promise.withResolvers<void>();
    const order: string[] = [];
    const run = service(made, {
      afterStart: async () => {
        begun.resolve();
        await sleep(made.clock, 3_000);
        order.push("afterStart");
      },
      afterStop: () => order.push("afterStop"),
    }).service.run();
    await begun.promise;
    made.system.platform.raise("SIGTERM");
    await within(made.clock, run);
    assert.deepEqual(order, ["afterStart", "afterStop"]);
    assert.equal(await made.listens(), false);
  });

  test("ends when the service is stopped from within, and leaves the process alone", async () => {
    const made = world();
    const { run, service: one } = await running(made);
    one.stop();
    await within(made.clock, run);
    await made.clock.advance(60_000);
    assert.equal(made.system.platform.exitCode, undefined);
  });

  test("throws what a program does wrong at the start, and what a stop throws", async () => {
    await assert.rejects(service(world(), { registry: "memry" }).service.run(), TypeError);
    const beforeStart = () => {
      throw new RangeError("no such thing");
    };
    await assert.rejects(service(world(), { beforeStart }).service.run(), /no such thing/);

    const other = world();
    const { run } = await running(other, { beforeStop: () => Promise.reject(new Error("not saved")) });
    other.system.platform.raise("SIGTERM");
    await assert.rejects(within(other.clock, run), /not saved/);
  });

  test("reads flags, over the environment and code", async () => {
    const made = world({
      args: ["--server_name=hi", "--server-address", ":9090"],
      env: { MICRO_SERVER_ADDRESS: ":1" },
    });
    const { run, service: one } = await running(made);
    assert.equal(one.address, "127.0.0.1:9090");
    assert.deepEqual((await made.registry.listServices()).map(({ name }) => name), ["hi"]);
    made.system.platform.raise("SIGTERM");
    await within(made.clock, run);
  });

  test("ends with 2 at a wrong flag, and with help when asked", async () => {
    const wrong = world({ args: ["--registy=x"] });
    await service(wrong).service.run();
    assert.equal(wrong.system.platform.exitCode, 2);
    assert.match(wrong.system.platform.stderr, /"Unknown flag --registy; did you mean ..--registry/);

    const help = world({ args: ["--bogus", "--help=true"], env: { MICRO_REGISTRY: "memry" } });
    await service(help).service.run();
    assert.equal(help.system.platform.exitCode, 0);
    assert.match(help.system.platform.stdout, /--registry TEXT +Registry: file, .*\(default: memory\)\n/);
    assert.equal(help.system.platform.stderr, "");
  });

  test("ends with 2 at a value that is wrong, and names it, where it comes from and what there is", async () => {
    const wrong: readonly [Parameters<typeof world>[0], RegExp][] = [
      [
        { args: ["--registry=memry"] },
        /^--registry must be one of file, kv,.*"memry".*did you mean "memory"/,
      ],
      [{ env: { MICRO_REGISTRY: "memry" } }, /^MICRO_REGISTRY must be one of.*"memry"/],
      [
        { args: ["--selector=blackls"] },
        /^--selector must be one of random, roundrobin, leastconn:.*"blackls/,
      ],
      [{ args: ["--broker=nats"] }, /^--broker must be one of http, memory: current value is "nats"/],
      [{ args: ["--transport=grpc"] }, /^--transport must be one of .*ws.*"grpc"/],
      [{ args: ["--server_address=127.0.0.1:99999"] }, /^--server_address must be .*:99999.*65535/],
      [{ args: ["--server_address=8080"] }, /^--server_address must be .*write :8080/],
      [{ args: ["--server_address=0.0.0.0:80"] }, /0\.0\.0\.0:80 \(--server_address\) without TLS/],
      [{ args: ["--server_advertise=me"] }, /^--server_advertise must be host:port/],
      [{ args: ["--server_advertise=me:0"] }, /^--server_advertise must be host:port/],
      [{ args: ["--server_name=a b"] }, /^--server_name: Service name must be .*"a b"/],
      [
        { args: ["--register_ttl=5"] },
        /default of --register_interval must be at most half of --register_ttl/,
      ],
      [{ env: { MUON_REGISTER_INTERVAL: "31s" } }, /^MUON_REGISTER_INTERVAL .* half of the default of --reg/],
      [{ args: ["--enable_tls"] }, /^--enable_tls needs a certificate/],
      [{ args: ["--broker_address=x:1"] }, /no address to be set: current value of --broker_address/],
      [{ args: ["--max_concurrent_calls=0"] }, /^--max_concurrent_calls must be a whole number from 1/],
      [{ args: ["--server_name"] }, /--server_name/],
    ];
    for (const [machine, message] of wrong) {
      const made = world(machine);
      await service(made).service.run();
      const { exitCode, stderr, stdout } = made.system.platform;
      assert.equal(exitCode, 2, stderr);
      assert.match(JSON.parse(stderr).message, message);
      assert.equal(stdout, "");
      assert.equal(await made.listens(), false);
    }
  });

  test("ends with 1 and without a stack where the machine is in the way", async () => {
    const taken = world();
    await using _other = await taken.system.platform.serve({ port: 8080 });
    await service(taken).service.run();
    const gone = world({ args: ["--tls_cert_file=/gone.pem"] });
    await service(gone).service.run();
    const config = world({ env: { MUON_CONFIG_FILE: "/gone.json" } });
    await service(config).service.run();
    const away = world();
    const register = () => Promise.reject(new Error("it is asleep"));
    const registry = registryThat(away.registry, { register, deregister: register });
    await within(away.clock, service(away, { registry }).service.run());
    const why = [/in use/, /\/gone\.pem \(--tls_cert_file\): there is none/, /\/gone\.json/, /asleep/];
    for (const [index, { system: { platform } }] of [taken, gone, config, away].entries()) {
      assert.equal(platform.exitCode, 1);
      assert.match(JSON.parse(platform.stderr).message, why[index]!);
      assert.ok(!platform.stderr.includes("    at "), platform.stderr);
    }
  });

  test("a registry that refuses what a flag puts into the record is a wrong flag", async () => {
    const register = () => Promise.reject(new RangeError("the node id is too long"));
    for (const args of [["--server_id=much-too-long"], []]) {
      const made = world({ args });
      const run = within(
        made.clock,
        service(made, { registry: registryThat(made.registry, { register }) }).service.run(),
      );
      if (args.length === 0) await assert.rejects(run, RangeError);
      else await run;
      assert.equal(made.system.platform.exitCode, args.length === 0 ? undefined : 2);
    }
  });

  test("says which flags have no effect", async () => {
    const made = world({ args: ["--client_pool_size=5"] });
    const { run } = await running(made);
    assert.ok(made.lines.some(({ message }) => /--client_pool_size has no effect/.test(String(message))));
    made.system.platform.raise("SIGTERM");
    await within(made.clock, run);
  });
});

describe("an action", () => {
  const flags = { run_client: { type: "boolean", help: "Launch the client" } } as const;

  test("may do something else than serve, as the flags say", async () => {
    const server = world();
    const { service: served } = service(server);
    await served.start();
    const { network } = server.system.platform;
    const said: unknown[] = [];
    const client = world({ args: ["--run_client", "John"], network, clock: server.clock });
    const one = createService({
      ...client.options,
      registry: server.registry,
      flags,
      action: async ({ run_client }, { args, connect }) => {
        if (!run_client) return;
        await using mesh = await connect();
        said.push(args, await mesh.call("greeter", "Greeter.Hello"));
        return false;
      },
    });
    await one.run();
    assert.deepEqual(said, [["John"], "hi"]);
    await within(server.clock, served.stop());
  });

  test("has its flags typed", () => {
    createService({
      flags: {
        loud: { type: "boolean", help: "x" },
        wait: { type: "duration", help: "x", default: 5 },
        word: { type: "string", help: "x" },
      },
      action: ({ loud, wait, word, ...rest }) => {
        const known: [boolean, number, string | undefined] = [loud, wait, word];
        // @ts-expect-error: it may be undefined, since it has no default
        const text: string = word;
        // @ts-expect-error: there is no such flag
        return [known, text, rest.quiet].length > 3;
      },
    });
  });

  test("goes before the service, and what it throws is thrown", async () => {
    const made = world();
    const started = Promise.withResolvers<void>();
    const order: unknown[] = [];
    const one = createService({
      ...made.options,
      name: "quiet",
      flags,
      action: async ({ run_client }, context) => {
        order.push(run_client, await made.listens(), context.service === one);
      },
      afterStart: () => started.resolve(),
    });
    const run = one.run();
    await started.promise;
    assert.deepEqual(order, [false, false, true]);
    await made.clock.advance(0);
    made.system.platform.raise("SIGTERM");
    await within(made.clock, run);

    const failing = createService({ ...world().options, action: () => Promise.reject(new Error("no")) });
    await assert.rejects(failing.run(), /no/);
  });
});
