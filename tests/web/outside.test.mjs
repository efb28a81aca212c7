/** Which search a subgraph's node shows outside. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { isOf, searchInside } from "../../web/lib/outside.js";

const SEARCHES = ["Search"];
const search = { comfyClass: "Search" };
const other = { comfyClass: "Other" };
const around = (...nodes) => ({ id: 22, subgraph: { nodes } });

test("the only search inside is found, however deep", () => {
  assert.equal(searchInside(around(other, search), SEARCHES), search);
  assert.equal(searchInside(around(other, around(search)), SEARCHES), search);
  for (const node of [other, around(other), around(search, search), around(search, around(search))])
    assert.equal(searchInside(node, SEARCHES), null);
});

test("a run inside another node of the same subgraph is not shown", () => {
  const model = (node) => ({ run: { node } });
  for (const node of ["22:9", "5:22:9", "22:5:9", "9"]) assert.ok(isOf(around(), model(node)), node);
  for (const node of ["23:9", "9:22"]) assert.ok(!isOf(around(), model(node)), node);
  assert.ok(isOf(around(), null));
});
