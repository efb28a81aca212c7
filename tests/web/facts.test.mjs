/** What the panel says of the time of a run, from the golden events: 0.25 s per evaluation. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { items, secondsLeft, timeOf } from "../../web/lib/facts.js";
import { fromReport, reduce } from "../../web/lib/model.js";
import { duration, texts } from "../../web/lib/texts.js";

const GOLDEN = JSON.parse(readFileSync(new URL("golden_events.json", import.meta.url), "utf-8"));
const MESSAGES = GOLDEN.rbf.messages.map((m) => m.data);
const PACE = 0.25;
const words = texts("en");
const reduced = (messages) => messages.reduce((model, m) => reduce(model, m), null);
const first = MESSAGES.findIndex(({ spent }) => spent > 0);

test("durations are short, with two units at most", () => {
  const said = [0.2, 45.4, 60, 125, 3600, 3 * 3600 + 59 * 60 + 59].map((s) => duration(s, words));
  const expected = ["1 s", "45 s", "1 min 00 s", "2 min 05 s", "1 h 00 min", "3 h 59 min"];
  assert.deepEqual(said, expected);
  assert.equal(duration(125, texts("zh")), "2 分 05 秒");
});

test("the time left follows the pace, without the time before the first evaluation", () => {
  assert.equal(secondsLeft(reduced(MESSAGES.slice(0, first + 1))), null, "no pace yet");
  for (const loading of [0, 100]) {
    const late = MESSAGES.slice(0, first + 4).map((m) => ({ ...m, seconds: m.seconds + loading }));
    const model = reduced(late);
    const [{ spent, budget }] = model.searches;
    assert.ok(spent > MESSAGES[first].spent);
    assert.ok(Math.abs(secondsLeft(model) - PACE * (budget - spent)) < 0.01);
  }
});

test("the time left counts the other images of a batch", () => {
  const one = reduced(MESSAGES.slice(0, first + 4));
  const batch = MESSAGES.map((m) => ({ ...m, images: 3 }));
  const { budget } = MESSAGES[0];
  const left = secondsLeft(reduced(batch.slice(0, first + 4)));
  assert.ok(Math.abs(left - secondsLeft(one) - 2 * PACE * budget) < 0.05);
  const second = reduced([...batch, { ...batch[0], image: 1 }]);
  assert.ok(Math.abs(secondsLeft(second) - 2 * PACE * budget) < 0.05, "by the pace of the first");
});

test("the time left ends at the time limit", () => {
  const limited = MESSAGES.slice(0, first + 4).map((m, i) => (i ? m : { ...m, limit: 4 }));
  const model = reduced(limited);
  assert.ok(Math.abs(secondsLeft(model) - (4 - model.searches[0].seconds)) < 1e-9);
});

test("the time goes on between messages, and after the run it is the time in all", () => {
  const model = reduced(MESSAGES.slice(0, first + 4));
  const [{ spent, budget, seconds }] = model.searches;
  const left = Math.round(PACE * (budget - spent));
  assert.equal(timeOf(model, 0, words), `${Math.round(seconds)} s, about ${left} s left`);
  assert.equal(timeOf(model, 2, words), `${Math.round(seconds) + 2} s, about ${left - 2} s left`);
  assert.equal(timeOf(model, 60, words), "1 min 02 s", "late: nothing is said of what is left");
  const total = `${Math.round(GOLDEN.rbf.report.spent.seconds.total)} s`;
  const run = { node: "1", prompt: "1", workflow: null };
  assert.equal(timeOf(reduced(MESSAGES), 0, words), total);
  assert.equal(timeOf(fromReport(GOLDEN.rbf.report, run), 0, words), total);
  const old = { ...MESSAGES.at(-1), seconds: 0 };
  assert.equal(timeOf(reduced([old]), 0, words), "", "an older file has no time");
});

test("what holds in an image begins with the least likely", () => {
  const item = (question, answer, p) => ({ question, answer, p });
  const row = { items: [item("A?", "yes", 0.914), item("B?", "2", 0.05), item("C?", "no", null)] };
  assert.deepEqual(items(row), [["B?", "2 5 %", "item"], ["A?", "yes 91 %", "item"]]);
  assert.deepEqual(items({}), []);
  const many = { items: Array.from({ length: 9 }, (_, i) => item(`${i}?`, "yes", i / 10)) };
  assert.deepEqual(items(many).map(([name]) => name), ["0?", "1?", "2?", "3?", "4?", "5?"]);
});
