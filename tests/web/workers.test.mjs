/** What the panel says of workers. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { fromReport, reduce } from "../../web/lib/model.js";
import { texts } from "../../web/lib/texts.js";
import { workerTexts } from "../../web/lib/workers_view.js";
import { GOLDEN, messages, RUN } from "./golden.mjs";

const words = texts("en");
const EACH = [
  { name: "worker 1", where: "gpu-01, cpu", state: "ready", nfe: 30, rate: 1.234, why: "" },
  { name: "worker 2", where: "gpu-02, cpu", state: "ready", nfe: 29, rate: 1.1, why: "" },
  { name: "worker 3", where: "", state: "starts", nfe: 0, rate: null, why: "" },
  { name: "worker 4", where: "gpu-04, cpu", state: "refused", nfe: 0, rate: null, why: "No file." },
];

test("a search keeps what the last message said of its workers", () => {
  const [start, second, third] = messages("rbf");
  const workers = { discarded: 3, each: EACH };
  const model = [start, { ...second, workers }, third].reduce((m, each) => reduce(m, each), null);
  assert.deepEqual(model.searches[0].workers, workers);
  assert.equal(reduce(model, start).searches[0].workers, null, "a new search has none yet");
});

test("all workers are summed up, and each has its rate or what is wrong", () => {
  const entries = workerTexts({ discarded: 8, each: EACH }, 72, words);
  assert.deepEqual(
    entries.map(({ text }) => text),
    [
      "2 / 4 workers, 2.3 evaluations per second, 10 % thrown away",
      "worker 1: 1.2 per second",
      "worker 2: 1.1 per second",
      "worker 3: starts",
      "worker 4: cannot take part",
    ],
  );
  assert.deepEqual(
    entries.map(({ bad }) => bad),
    [false, false, false, false, true],
  );
  assert.equal(entries[4].title, "gpu-04, cpu\nNo file.");
});

test("a report says what workers did, and an older one says nothing", () => {
  const { report } = GOLDEN.rbf;
  assert.equal(fromReport(report, RUN).searches[0].workers, null);
  const devices = [
    { device: "worker 1", nfe: 12, where: "gpu-01, cpu" },
    { device: "worker 2", nfe: 0, refused: "No file." },
  ];
  const spent = { ...report.spent, nfe: 36, discarded_nfe: 4 };
  const { workers } = fromReport({ ...report, spent, devices }, RUN).searches[0];
  const [all, one, two] = workerTexts(workers, 36, words);
  assert.equal(all.text, "1 / 2 workers, 10 % thrown away");
  assert.equal(one.text, "worker 1: 12 evaluations");
  assert.ok(two.bad && two.title === "No file.");
});
