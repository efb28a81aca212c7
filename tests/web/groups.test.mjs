/** The groups of the Reward Model Loader's menu. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { groupOf, labelOf } from "../../web/lib/groups.js";
import { texts } from "../../web/lib/texts.js";

const GROUPS = [
  { name: "no file", about: "Measures the image.", rewards: ["sharpness"] },
  { name: "counts", about: "Counts objects.", rewards: ["object_count", "shape_count"] },
];

test("an entry of the menu begins with its group", () => {
  const { groups } = texts("en");
  assert.equal(labelOf(GROUPS, "shape_count", groups), "counts: shape_count");
  assert.equal(labelOf(GROUPS, "of another pack", groups), "of another pack");
  assert.equal(labelOf([], null, groups), "");
  assert.deepEqual(groupOf(GROUPS, "sharpness", groups), ["no file", "Measures the image."]);
});

test("Chinese has its own names and sentences", () => {
  const { groups } = texts("zh");
  assert.equal(labelOf(GROUPS, "shape_count", groups), "数量: shape_count");
  assert.equal(groupOf(GROUPS, "object_count", groups)?.length, 2);
});
