import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { MuonError } from "../../errors.ts";
import { createVirtualSystem } from "../../virtual_platform.ts";
import { socketPair } from "../memory/socket_pair.ts";
import type { Link } from "../transport.ts";
import { LinkMaker, ServedLinks } from "./links.ts";
import { testHead } from "./testing.ts";

describe("connections beyond maxLinks", () => {
  test("are told to go elsewhere, their calls did not run, and others may come when some have gone", async () => {
    const system = createVirtualSystem();
    const maker = new LinkMaker({ system, wire: { maxLinks: 2 } });
    const seen: Link[] = [];
    let served = 0;
    const links = new ServedLinks(maker, {
      accept: (call) => {
        served++;
        call.reply(call.body!);
      },
      onLink: (link) => seen.push(link),
    });
    const dial = (): Link => {
      const [near, far] = socketPair({ schedule: (deliver) => system.platform.endOfTurn(deliver) });
      links.add(far, { address: "dialler:1" });
      return maker.dialled(near, { peer: { address: "listener:1" } });
    };
    const call = (link: Link) =>
      new Promise<MuonError | undefined>((resolve) => {
        link.unary(testHead(), new Uint8Array(1), { reply: () => resolve(undefined), fail: resolve });
      });

    const taken = [dial(), dial()];
    const refused = dial();
    const error = await call(refused);
    assert.deepEqual([error!.status, error!.notRun], ["unavailable", true]);
    assert.match(error!.detail, /it has 2 connections open, as many as it takes \(its limit maxLinks\)/);
    assert.match((await refused.closed)!.detail, /its limit maxLinks/);
    assert.equal(await call(taken[0]!), undefined);
    assert.deepEqual([served, seen.length, links.size], [1, 2, 2]);

    await taken[0]![Symbol.asyncDispose]();
    for (let i = 0; i < 100 && links.size === 2; i++) await undefined;
    const next = dial();
    assert.equal(await call(next), undefined);
    assert.equal(links.size, 2);
    await links[Symbol.asyncDispose]();
  });
});
