/** Rules of web/: helpers have no effect on import, no globals, no addresses outside ComfyUI. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const WEB = new URL("../../web/", import.meta.url);
const SVG = "http://www.w3.org/2000/svg"; // a namespace; nothing is fetched
const files = readdirSync(WEB, { recursive: true }).filter((name) => name.endsWith(".js"));
const helpers = files.filter((name) => name.startsWith("lib"));

test("flow_search.js is the only file outside lib/", () => {
  assert.deepEqual(
    files.filter((name) => !helpers.includes(name)),
    ["flow_search.js"],
  );
  assert.ok(helpers.length > 5);
});

for (const name of files) {
  const text = readFileSync(new URL(name, WEB), "utf-8");

  test(`${name}: no address outside ComfyUI`, () => {
    assert.doesNotMatch(text.replaceAll(SVG, ""), /https?:\/\/|@import|\bwss?:/);
  });

  test(`${name}: no new globals, and nothing of the host is replaced`, () => {
    assert.doesNotMatch(text, /\b(window|globalThis|document)(\.\w+)+ = |\.prototype\b/);
  });
}

test("helpers import only each other, and importing them has no effect", async () => {
  const before = Object.getOwnPropertyNames(globalThis).sort();
  for (const name of helpers) {
    const text = readFileSync(new URL(name, WEB), "utf-8");
    for (const [, from] of text.matchAll(/^(?:import|export).* from "(.*)";$/gm)) {
      assert.match(from, /^\.\/\w+\.js$/);
    }
    await import(new URL(name, WEB)); // in Node.js: a use of the page would throw
  }
  assert.deepEqual(Object.getOwnPropertyNames(globalThis).sort(), before);
});
