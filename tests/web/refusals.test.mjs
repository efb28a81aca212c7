/** Prompts that ComfyUI refuses. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { refusedModel, watchRefusal } from "../../web/lib/refusals.js";
import { noteOf, texts } from "../../web/lib/texts.js";

test("the panel says what the host says", () => {
  const errors = [
    { message: "Required input is missing", details: "vae" },
    { message: "No output", details: "" },
  ];
  const model = refusedModel({ node: "9", prompt: null, workflow: null }, { errors });
  assert.equal(noteOf(model, texts("en")), "Required input is missing: vae\nNo output");
  assert.deepEqual([model.running, model.ended], [false, "error"]);
});

test("only errors that are new are shown", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const [old, fresh] = [{ 1: { errors: [] } }, { 2: { errors: [] } }];
  let errors = old;
  const shown = [];
  watchRefusal(() => errors, (each) => shown.push(each));
  for (errors of [old, null, fresh, fresh]) t.mock.timers.tick(200);
  assert.deepEqual(shown, [fresh]);
  errors = null;
  watchRefusal(() => errors, (each) => shown.push(each));
  t.mock.timers.tick(31000);
  errors = old;
  t.mock.timers.tick(31000);
  assert.deepEqual(shown, [fresh], "a prompt that was queued is not watched for ever");
});
