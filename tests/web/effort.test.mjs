/** The budget beside the effort of Search KSampler. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { budget, showBudget } from "../../web/lib/effort.js";
import { texts } from "../../web/lib/texts.js";

/** A node with these values; `linked` inputs have a wire. */
function node(values, linked = []) {
  const names = Object.keys(values);
  return {
    widgets: names.map((name) => ({ name, value: values[name] })),
    inputs: names.map((name) => ({ widget: { name }, link: linked.includes(name) ? 1 : null })),
  };
}

const VALUES = { effort: 25, steps: 4, cfg: 1, seed: 3 };
const widget = ({ widgets }, name) => widgets.find((widget) => widget.name === name);
const label = (node) => widget(node, "effort").label;

test("a guided step costs twice", () => {
  assert.equal(budget([25, 4, 1]), 100);
  assert.equal(budget([25, 20, 3.5]), 1000);
});

test("the budget follows the values that it depends on", () => {
  const search = node(VALUES);
  const asked = [];
  widget(search, "steps").callback = (value) => asked.push(value);
  showBudget(search, texts("en"));
  assert.equal(label(search), "effort (100 evaluations)");
  widget(search, "steps").value = 8;
  widget(search, "steps").callback(8);
  assert.deepEqual([label(search), asked], ["effort (200 evaluations)", [8]]);
  widget(search, "cfg").value = 2;
  search.onConfigure();
  assert.equal(label(search), "effort (400 evaluations)");
});

test("a translated name is kept, and a value over a link is not known", () => {
  const search = node(VALUES, ["steps"]);
  widget(search, "effort").label = "投入";
  showBudget(search, texts("zh"));
  assert.equal(label(search), "投入");
  search.inputs[1].link = null;
  search.onConnectionsChange();
  assert.equal(label(search), "投入 (100 次评估)");
});

test("other nodes have none", () => {
  const search = node({ budget: 100 });
  showBudget(search, texts("en"));
  assert.equal(widget(search, "budget").label, undefined);
});
