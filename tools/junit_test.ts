import assert from "node:assert/strict";
import { test } from "node:test";
import { readReport } from "./junit.ts";

// One file of tests, as the three runtimes reported on it: two tests at the top of which one fails, a group of one that
// passes, one that fails, one that is skipped and one that lies deeper, and a test with a subtest.
const EXPECTED = { passed: 4, failed: [`bad <x> & "q"`, "in bad"], skipped: ["sk"] };

test("a report of Deno's, where groups are cases", () => {
  const report = readReport(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="11" failures="3" errors="0" time="0.015">
    <testsuite name="./a_test.ts" tests="6" disabled="1" errors="0" failures="2">
        <testcase name="top" classname="./a_test.ts" time="0.001" line="4" col="1">
        </testcase>
        <testcase name="bad &lt;x&gt; &amp; &quot;q&quot;" classname="./a_test.ts" time="0.003" line="5" col="1">
            <failure message="Uncaught AssertionError: 1 !== 2">AssertionError: a &lt;testcase name=&quot;x&quot;/&gt;</failure>
        </testcase>
        <testcase name="group" classname="./a_test.ts" time="0.004" line="6" col="1">
            <failure message="1 test step failed">1 test step failed.</failure>
        </testcase>
        <testcase name="parent" classname="./a_test.ts" time="0.001" line="12" col="1">
        </testcase>
        <testcase name="parent &gt; sub" classname="./a_test.ts" time="0.000" line="12" col="39">
        </testcase>
    </testsuite>
    <testsuite name="ext:deno_node/testing.ts" tests="5" disabled="1" errors="0" failures="1">
        <testcase name="group &gt; in" classname="ext:deno_node/testing.ts" time="0.000" line="1" col="23191">
        </testcase>
        <testcase name="group &gt; in bad" classname="ext:deno_node/testing.ts" time="0.001" line="1" col="21231">
            <failure message="Uncaught Error: boom">Error: boom</failure>
        </testcase>
        <testcase name="group &gt; sk" classname="ext:deno_node/testing.ts" time="0.000" line="1" col="21231">
            <skipped/>
        </testcase>
        <testcase name="group &gt; deeper" classname="ext:deno_node/testing.ts" time="0.001" line="1" col="21231">
        </testcase>
        <testcase name="group &gt; deeper &gt; d" classname="ext:deno_node/testing.ts" time="0.000" line="1" col="21231">
        </testcase>
    </testsuite>
</testsuites>`);
  assert.deepEqual(report, {
    passed: EXPECTED.passed,
    failed: [EXPECTED.failed[0], `group > ${EXPECTED.failed[1]}`],
    skipped: [`group > ${EXPECTED.skipped[0]}`],
  });
});

test("a report of Bun's", () => {
  const report = readReport(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="7" assertions="0" failures="2" skipped="1" time="0.024114334">
  <testsuite name="a_test.ts" file="a_test.ts" tests="7" assertions="0" failures="2" skipped="1" time="0.019442964">
    <testcase name="top" classname="" time="0.001017" file="a_test.ts" line="4" assertions="0" />
    <testcase name="bad &lt;x&gt; &amp; &quot;q&quot;" classname="" time="0.001369" file="a_test.ts" line="5" assertions="0">
      <failure type="AssertionError" message="1 !== 2&#10;">AssertionError: 1 !== 2</failure>
    </testcase>
    <testsuite name="group" file="a_test.ts" line="6" tests="4" assertions="0" failures="1" skipped="1" time="0">
      <testcase name="in" classname="group" time="0.000028" file="a_test.ts" line="7" assertions="0" />
      <testcase name="in bad" classname="group" time="0.000222" file="a_test.ts" line="8" assertions="0">
        <failure type="Error" message="boom">Error: boom</failure>
      </testcase>
      <testcase name="sk" classname="group" time="0" file="a_test.ts" line="9" assertions="0">
        <skipped />
      </testcase>
      <testsuite name="deeper" file="a_test.ts" line="10" tests="1" assertions="0" failures="0" skipped="0" time="0">
        <testcase name="d" classname="deeper &gt; group" time="0.000038" file="a_test.ts" line="10" assertions="0" />
      </testsuite>
    </testsuite>
    <testcase name="parent" classname="" time="0.000232" file="a_test.ts" line="12" assertions="0" />
  </testsuite>
</testsuites>`);
  assert.deepEqual(report, EXPECTED);
});

test("a report of Node's, whose attributes hold a bare >", () => {
  const report = readReport(`noise
<?xml version="1.0" encoding="utf-8"?>
<testsuites>
	<testcase name="top" time="0.000545" classname="test" file="/a_test.ts"/>
	<testcase name="bad &lt;x> &amp; &quot;q&quot;" time="0.001691" classname="test" failure="1 !== 2&#10;a > b">
		<failure type="testCodeFailure" message="1 !== 2">
[Error [ERR_TEST_FAILURE]: 1 !== 2] { at TestContext.&lt;anonymous> (/a_test.ts:5:38) }
		</failure>
	</testcase>
	<testsuite name="group" time="0.001342" disabled="0" errors="0" tests="4" failures="1" skipped="1">
		<testcase name="in" time="0.000223" classname="group" file="/a_test.ts"/>
		<testcase name="in bad" time="0.000158" classname="group" file="/a_test.ts" failure="boom">
			<failure type="testCodeFailure" message="boom">boom</failure>
		</testcase>
		<testcase name="sk" time="0.000075" classname="group" file="/a_test.ts">
			<skipped type="skipped" message="true"/>
		</testcase>
		<testsuite name="deeper" time="0.000278" disabled="0" errors="0" tests="1" failures="0" skipped="0">
			<testcase name="d" time="0.000155" classname="group.deeper" file="/a_test.ts"/>
		</testsuite>
	</testsuite>
	<testsuite name="parent" time="0.000499" disabled="0" errors="0" tests="1" failures="0" skipped="0">
		<testcase name="sub" time="0.000257" classname="parent" file="/a_test.ts"/>
	</testsuite>
	<!-- tests 8 -->
</testsuites>`);
  assert.deepEqual(report, EXPECTED);
});

test("a group that fails beside its parts fails for itself", () => {
  const report = readReport(`
    <testcase name="group"><failure message="its hook threw">its hook threw</failure></testcase>
    <testcase name="group &gt; one"></testcase>
    <testcase name="group &gt; two"></testcase>`);
  assert.deepEqual(report, { passed: 2, failed: ["group"], skipped: [] });
});

test("no report at all", () => {
  assert.deepEqual(readReport(""), { passed: 0, failed: [], skipped: [] });
});
