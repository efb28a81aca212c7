/** Tooltips of the inputs that a choice adds (Field 20). */

import assert from "node:assert/strict";
import { test } from "node:test";

import { dynamicNames, tooltip } from "../../web/lib/tooltips.js";

const combo = (...options) => ["COMFY_DYNAMICCOMBO_V3", { options }];
const option = (key, required = {}, optional = {}) => ({ key, inputs: { required, optional } });
const inner = option("b", { size: ["INT", { tooltip: "Size." }] });
const INPUTS = {
  prompt: { tooltip: "The prompt." },
  names: { options: ["a", "b"] },
  reward: {
    tooltip: "The reward.",
    options: [
      option("clip", { checkpoint: ["COMBO", { tooltip: "Of CLIP.", options: ["x"] }] }),
      option("hps", {}, { checkpoint: ["COMBO", { tooltip: "Of HPS." }], mode: combo(inner) }),
      option("plain", { bare: ["INT"] }),
    ],
  },
};
const chosen = (values) => (name) => values[name];

test("Field 20: a tooltip belongs to the current choice", () => {
  const of = (name, values = {}) => tooltip(INPUTS, name, chosen(values));
  assert.equal(of("prompt"), "The prompt.");
  assert.equal(of("reward.checkpoint", { reward: "clip" }), "Of CLIP.");
  assert.equal(of("reward.checkpoint", { reward: "hps" }), "Of HPS.");
  assert.equal(of("reward.mode.size", { reward: "hps", "reward.mode": "b" }), "Size.");
});

test("Field 20: an unknown input has no tooltip", () => {
  for (const [name, values] of [
    ["other", {}],
    ["reward.checkpoint", {}],
    ["reward.checkpoint", { reward: "gone" }],
    ["reward.bare", { reward: "plain" }],
    ["names.a", { names: "a" }],
    ["reward.mode.size", { reward: "hps" }],
  ]) {
    assert.equal(tooltip(INPUTS, name, chosen(values)), "", name);
  }
});

test("Field 20: all inputs that choices add are named", () => {
  assert.deepEqual(
    [...dynamicNames(INPUTS)],
    ["reward.checkpoint", "reward.mode", "reward.mode.size", "reward.bare"],
  );
});
