/** Where a node covers no other one. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { freePlace } from "../../web/lib/free_place.js";

const node = (x, y, width = 300, height = 200) => ({ pos: [x, y], size: [width, height] });
const SIZE = [300, 900];

test("a place that is free stays", () => {
  assert.deepEqual(freePlace([400, 0], SIZE, []), [400, 0]);
  assert.deepEqual(freePlace([400, 0], SIZE, [node(0, 0), node(720, 0)]), [400, 0]);
});

test("a node above others goes beside them", () => {
  const below = [node(400, 300), node(400, 600)];
  assert.deepEqual(freePlace([400, 0], SIZE, below), [740, 0]);
  assert.deepEqual(freePlace([400, 0], SIZE, [...below, node(720, 100)]), [740, 370]);
});

test("the title of a node below counts, too", () => {
  assert.deepEqual(freePlace([0, 0], [300, 100], [node(0, 120)]), [340, 0]);
  assert.deepEqual(freePlace([0, 0], [300, 100], [node(0, 130)]), [0, 0]);
});

test("the nearest of several places is taken", () => {
  const wide = node(0, 100, 5000, 100);
  assert.deepEqual(freePlace([0, 0], SIZE, [wide]), [0, 270]);
});
