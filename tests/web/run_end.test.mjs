/** What the panel shows after an error, a cancel or a lost connection; batches; perfect scores. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { bestPicture, bestRow, isPerfect } from "../../web/lib/derive.js";
import { contains, DroppedFile } from "../../web/lib/dropped_file.js";
import { ending } from "../../web/lib/facts.js";
import { fromReport, reduce } from "../../web/lib/model.js";
import { hasOneImage, pack, unpack, withResult } from "../../web/lib/saved_search.js";
import { Store } from "../../web/lib/store.js";
import { imageOf, noteOf, texts } from "../../web/lib/texts.js";

const GOLDEN = JSON.parse(readFileSync(new URL("golden_events.json", import.meta.url), "utf-8"));
const MESSAGES = GOLDEN.rbf.messages.map((m) => m.data);
const RUN = { node: "22:9", prompt: "prompt-1", workflow: "workflow-1" };
const SEARCHES = ["FlowSearchRBF"];
const FILE = { filename: "unfinished_00001.png", subfolder: "flow_search", type: "output" };
const words = texts("en");

/** A store after some messages; `last` is the newest model. */
function listening(messages, ask = async () => null) {
  const source = new EventTarget();
  const page = { last: null, store: null };
  page.store = new Store(source, (model) => (page.last = model), ask, SEARCHES);
  page.say = (type, detail) =>
    source.dispatchEvent(Object.assign(new Event(type), { detail }));
  page.settled = () => new Promise((then) => setTimeout(then));
  for (const data of messages) page.say("flow_search.event", data);
  return page;
}

const failure = (more = {}) => ({
  prompt_id: "prompt-1",
  node_id: "22:9",
  node_type: "FlowSearchRBF",
  exception_type: "ValueError",
  exception_message: "The budget is too small: got 1 NFE, expected at least 9.\n",
  ...more,
});

test("Field 23: an error before the search shows on its node", async () => {
  const page = listening([]);
  page.say("execution_error", failure());
  await page.settled();
  assert.deepEqual(page.last.run, { ...RUN, workflow: null });
  assert.equal(page.last.running, false);
  assert.equal(noteOf(page.last, words), "The budget is too small: got 1 NFE, expected at least 9.");
});

test("Field 23: an error during the search shows, and its image separately", () => {
  const page = listening(MESSAGES.slice(0, 3));
  page.say("flow_search.event", { ...MESSAGES[2], kind: "unfinished", rows: [], saved: [FILE] });
  assert.equal(page.last.running, true);
  const saved = "Flow Search saved the best image so far: /home/me/unfinished_00001.png";
  page.say("execution_error", failure({ exception_message: `the reward broke\n${saved}\n` }));
  assert.equal(noteOf(page.last, words), "the reward broke");
  assert.deepEqual([page.last.ended, page.last.saved], ["error", [FILE]]);
  assert.equal(page.last.searches[0].stopped, "error");
});

test("Field 23: an error after the last message shows, and no rows are lost", () => {
  const page = listening(MESSAGES);
  const { rows } = page.last.searches[0];
  page.say("flow_search.event", { ...MESSAGES[2], kind: "unfinished", rows: [], saved: [FILE] });
  page.say("execution_error", failure());
  assert.deepEqual([page.last.ended, page.last.saved], ["error", [FILE]]);
  assert.equal(page.last.searches[0].rows, rows);
});

test("Field 23: an error without a text shows its type", () => {
  const page = listening(MESSAGES.slice(0, 2));
  page.say("execution_error", failure({ exception_message: "" }));
  assert.equal(page.last.error, "ValueError");
});

test("Field 23: an error of another node is not shown as the search's error", async () => {
  const page = listening([]);
  page.say("execution_error", failure({ node_type: "VAEDecode", node_id: "3" }));
  await page.settled();
  assert.equal(page.last, null);
  const running = listening(MESSAGES.slice(0, 2));
  running.say("execution_error", failure({ node_type: "VAEDecode", node_id: "3" }));
  assert.deepEqual([running.last.ended, running.last.error], ["error", null]);
});

test("an error of any node that a search needs replaces the error of an earlier run", async () => {
  const graph = {
    3: { class_type: "CheckpointLoader", _meta: { title: "My model" } },
    "22:9": { class_type: "FlowSearchRBF", inputs: { guider: ["3", 0] } },
  };
  const info = { extra_pnginfo: { workflow: { id: "workflow-1" } } };
  const ask = async (route) =>
    route === "/queue" ? { queue_running: [[0, "prompt-1", graph, info]] } : null;
  const page = listening([], ask);
  const old = { prompt_id: "prompt-0", exception_message: "An old error." };
  page.say("execution_error", failure(old));
  await page.settled();
  page.say("execution_error", failure({ node_type: "CheckpointLoader", node_id: "3" }));
  await page.settled();
  assert.match(page.last.error, /^My model: The budget/);
  assert.equal(ending(page.last, null, words), "Did not start");
});

test("an error of another node of the pack shows on the searches that take something from it", async () => {
  const loader = { class_type: "FlowSearchRewardLoader", _meta: { title: "My reward" } };
  const search = (...rewards) => ({
    class_type: "FlowSearchRBF",
    inputs: Object.fromEntries(rewards.map((id, i) => [`input ${i}`, [id, 0]])),
  });
  const graph = {
    3: loader,
    4: { class_type: "FlowSearchRewardCombine", inputs: { first: ["3", 0], weight: 1, names: ["3"] } },
    "22:9": search("4", "3"),
    5: search("6"),
    6: { ...loader, inputs: { after: ["5", 0] } }, // a cycle ends
  };
  const workflow = { id: "workflow-1" };
  const ask = async (route) =>
    route === "/queue"
      ? { queue_running: [[0, "prompt-1", graph, { extra_pnginfo: { workflow } }]] }
      : null;
  const page = listening([], ask);
  page.say("execution_error", failure({ node_type: "FlowSearchRewardLoader", node_id: "3" }));
  await page.settled();
  assert.deepEqual([...page.store.models.values()].map(({ run }) => run), [RUN]);
  const sentence = "The budget is too small: got 1 NFE, expected at least 9.";
  assert.equal(noteOf(page.last, words), `My reward: ${sentence}`);
  assert.deepEqual([page.last.ended, page.last.running], ["error", false]);
});

test("Field 23: a cancel shows where the unfinished image is", () => {
  const page = listening(MESSAGES.slice(0, 3));
  page.say("flow_search.event", { ...MESSAGES[2], kind: "unfinished", rows: [], saved: [FILE] });
  const { prompt_id, node_id, node_type } = failure();
  page.say("execution_interrupted", { prompt_id, node_id, node_type });
  assert.deepEqual([page.last.ended, page.last.error], ["cancel", null]);
  assert.deepEqual(page.last.saved, [FILE]);
  const back = unpack(JSON.parse(JSON.stringify(pack(page.last))), RUN);
  assert.deepEqual([back.ended, back.saved], ["cancel", [FILE]]);
});

test("Field 23: a cancel before the search shows only on the page that runs it", async () => {
  const { prompt_id, node_id, node_type } = failure();
  for (const startedHere of [false, true]) {
    const page = listening([]);
    if (startedHere) page.say("execution_start", { prompt_id });
    page.say("execution_interrupted", { prompt_id, node_id, node_type });
    await page.settled();
    assert.equal(page.last?.ended ?? null, startedHere ? "cancel" : null);
  }
});

test("Field 23: the next run clears the error", () => {
  const page = listening(MESSAGES.slice(0, 3));
  page.say("execution_error", failure());
  page.say("flow_search.event", { ...MESSAGES[0], prompt_id: "prompt-2" });
  const { running, ended, error, saved } = page.last;
  assert.deepEqual([running, ended, error, saved], [true, null, null, []]);
});

test("Field 23: a lost connection shows, then the end of the run from the history", async () => {
  const answers = {};
  const page = listening(MESSAGES.slice(0, 3), async (route) => answers[route] ?? null);
  page.say("reconnecting");
  assert.deepEqual([page.last.running, page.last.lost], [true, true]);
  answers["/queue"] = { queue_running: [[0, "prompt-1"]], queue_pending: [] };
  page.say("reconnected");
  await page.settled();
  assert.deepEqual([page.last.running, page.last.lost], [true, false]);
  const messages = [["execution_start", {}], ["execution_error", failure()]];
  answers["/queue"].queue_running = [];
  answers["/history/prompt-1"] = { "prompt-1": { outputs: {}, status: { messages } } };
  page.say("reconnected");
  await page.settled();
  assert.deepEqual([page.last.running, page.last.lost], [false, false]);
  assert.match(noteOf(page.last, words), /^The budget is too small: got 1 NFE/);
});

test("Field 23: after a restart the server does not know the run", async () => {
  const queue = { queue_running: [], queue_pending: [] };
  const page = listening(MESSAGES.slice(0, 3), async (route) => (route === "/queue" ? queue : {}));
  page.say("reconnecting");
  page.say("reconnected");
  await page.settled();
  assert.deepEqual([page.last.running, page.last.ended], [false, "unknown"]);
  assert.match(noteOf(page.last, words), /restarted/);
});

test("Field 24: a score at the reward's maximum, up to rounding, is perfect", () => {
  const start = { ...MESSAGES[0], maximum: 0 };
  const born = MESSAGES.find(({ kind }) => kind === "born");
  const perfect = (reward, maximum = 0) => {
    const model = reduce(reduce(null, { ...start, maximum }), {
      ...born,
      rows: [{ ...born.rows[0], reward }],
    });
    const [search] = unpack(JSON.parse(JSON.stringify(pack({ ...model, running: false }))), RUN)
      .searches;
    const both = [model.searches[0], search].map((s) => isPerfect(s, bestRow(s)));
    assert.equal(both[0], both[1], "saving keeps it");
    return both[0];
  };
  assert.deepEqual([0, -4.9e-9, -1e-3, -1, null].map((r) => perfect(r)), [true, true, false, false, false]);
  assert.equal(perfect(0, null), false);
  assert.equal(perfect(0, 1), false);
  const { report } = GOLDEN.rbf;
  const [search] = fromReport({ ...report, maximum: 1 }, RUN).searches;
  assert.equal(search.maximum, 1);
});

test("Field 25: the model counts the images of the batch, and the text names the current one", () => {
  const model = reduce(null, { ...MESSAGES[0], image: 0, images: 4 });
  assert.deepEqual([model.images, model.current], [4, 0]);
  const next = reduce(model, { ...MESSAGES[0], image: 1, images: 4 });
  assert.equal(imageOf(words, next.current, next.images), "image 2 of 4");
});

test("Field 22: a report with images of its results shows them", () => {
  const { report } = GOLDEN.rbf;
  const batch = { ...report, batch: [report, GOLDEN.smc.report] };
  const model = unpack({ report: batch, pictures: ["one", "two"] }, RUN);
  assert.deepEqual(
    model.searches.map((search) => bestPicture(search).picture.jpeg),
    ["one", "two"],
  );
  assert.equal(bestPicture(model.searches[1]).row.id, GOLDEN.smc.report.best.id);
  assert.equal(bestPicture(unpack({ report }, RUN).searches[0]), null);
});

test("Field 22: the dropped file is shown as the result, and its address is not saved", () => {
  const { report } = GOLDEN.rbf;
  const shown = withResult(unpack({ report }, RUN), "small", 0, { url: "blob:1" });
  const { row, picture } = bestPicture(shown.searches[0]);
  assert.deepEqual([row.id, picture.url], [report.best.id, "blob:1"]);
  const [kept] = pack(shown).searches[0].pictures;
  assert.deepEqual(kept, { id: report.best.id, jpeg: "small", file: null });
});

test("Field 22: a file is the result only if the report has a single result", () => {
  const { report } = GOLDEN.rbf;
  const single = { ...report, top: report.top.slice(0, 1) };
  const batch = { ...single, batch: [single, single] };
  assert.equal(hasOneImage({ report: single }), true);
  for (const saved of [null, {}, { report }, { report: batch }]) {
    assert.equal(hasOneImage(saved), false);
  }
});

test("Field 22: a file contains its report, whichever program wrote it", async () => {
  const report = { spent: { seconds: { total: 12.345678901234567 } } };
  const file = (text) => new Blob([new Uint8Array([137, 80]), text]);
  for (const blank of ["", " "]) {
    assert.ok(await contains(file(`{"seconds":${blank}{"total":${blank}12.345678901234567}}`), report));
  }
  assert.ok(!(await contains(file('{"total": 12.345678901234}'), report)));
  assert.ok(!(await contains(file(""), report)));
});

test("Field 22: the last image file is remembered until another file arrives", async () => {
  const page = new EventTarget();
  const dropped = new DroppedFile(page);
  const say = (type, more) => page.dispatchEvent(Object.assign(new Event(type), more));
  const [png, json] = ["image/png", "application/json"].map((type) => new Blob(["x"], { type }));
  const transfer = (files) => ({ files, getData: () => "" });
  for (const [type, key] of [["drop", "dataTransfer"], ["paste", "clipboardData"]]) {
    say(type, { [key]: transfer([png]) });
    assert.equal(dropped.file, png);
    say(type, { [key]: transfer([json]) });
    assert.equal(dropped.file, null);
  }
  assert.equal(await dropped.imageOf({ spent: { seconds: { total: 1.5 } } }), null);
  say("drop", { dataTransfer: transfer([png]) });
  assert.equal(await dropped.imageOf({ spent: { seconds: { total: 1.5 } } }), null, "a file with another report");
});
