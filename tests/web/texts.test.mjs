/** The texts and numbers of the panel, and the scale of its chart. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { lastNFE, range, scale } from "../../web/lib/chart_view.js";
import { emptySearch } from "../../web/lib/model.js";
import { HOSTS } from "../../web/lib/settings.js";
import { COLOURS } from "../../web/lib/style.js";
import { describe, figure, texts } from "../../web/lib/texts.js";

const row = (id, reward, more = {}) => ({
  id,
  parent: null,
  path: 0,
  step: 0,
  t: 1,
  kind: "born",
  reward,
  accepted: false,
  nfe: id + 1,
  ...more,
});

test("both languages have all texts", () => {
  const [english, chinese] = [texts("en"), texts("zh-CN")];
  assert.deepEqual(Object.keys(chinese), Object.keys(english));
  assert.equal(texts("fr"), english);
  assert.notEqual(chinese.stop, english.stop);
});

test("tooltips are short", () => {
  const hints = Object.entries(texts("en")).filter(([name]) => /Hint$|^replayO|^perImage$/.test(name));
  const long = hints.filter(([, text]) => text.split(" ").length > 20);
  assert.ok(hints.length > 4);
  assert.deepEqual([...long, HOSTS.tooltip.split(" ").length > 20], [false]);
});

test("numbers are short", () => {
  const shown = [null, 0, -2.59e-9, -5.58e-6, 0.123456, -25.2412, 123456.7, 0.0000123].map(figure);
  assert.deepEqual(shown, ["–", "0", "0", "0", "0.1235", "-25.24", "1.23e+5", "1.23e-5"]);
});

test("a description has the ancestors, but only the nearest and the oldest", () => {
  const line = Array.from({ length: 9 }, (_, id) => row(id, id));
  const text = describe(line[8], line, texts("en"));
  assert.equal(text, "particle 8, score 8, path 0, step 0, 9 evaluations, from 0 → 1 → … → 5 → 6 → 7");
  assert.match(describe(row(1, null, { failed: "decode" }), [], texts("en")), /1, failed, path/);
  assert.match(describe(row(1, 2, { watchdog: 0.5 }), [], texts("en")), /watchdog 0.5/);
});

test("the colours of paths stand out from light and from dark nodes", () => {
  const luminance = (colour) => {
    const linear = [1, 3, 5]
      .map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const contrast = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  assert.equal(contrast("#000000", "#ffffff"), 21);
  for (const colour of COLOURS) {
    for (const node of ["#ffffff", "#353535"]) assert.ok(contrast(colour, node) >= 3, colour);
  }
});

test("low outliers do not flatten the chart", () => {
  const near = Array.from({ length: 20 }, (_, i) => row(i, i / 20));
  const search = { ...emptySearch(100), rows: [...near, row(20, -1000)] };
  const { low, high, cut } = range(search);
  assert.equal(cut, true);
  assert.equal(high, 0.95);
  assert.ok(low < 0 && low > -3);
  const to = scale(search, 300, 100);
  assert.equal(to.y(-1000), to.y(low));
  assert.ok(to.y(high) < to.y(low));
  assert.equal(range({ ...search, rows: near }).low, 0);
});

test("the NFE axis ends at the NFE spent, or a little beyond it during the search", () => {
  const axis = (budget, spent, stopped = null) =>
    lastNFE({ ...emptySearch(budget), spent, stopped });
  assert.equal(axis(100, 40, "interrupt"), 40);
  assert.equal(axis(100, 90), 100);
  assert.equal(axis(100000, 40), 64);
  assert.equal(axis(20, 1), 20);
});
