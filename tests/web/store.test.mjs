/** The store: it listens to the server, and follows runs to their end. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { bestPicture } from "../../web/lib/derive.js";
import { Store } from "../../web/lib/store.js";
import { GOLDEN, messages, RUN } from "./golden.mjs";

test("the store follows a run, its cancel and its report", () => {
  const source = new EventTarget();
  const say = (type, detail) => source.dispatchEvent(Object.assign(new Event(type), { detail }));
  let last = null;
  new Store(source, (model) => (last = model));
  for (const data of messages("rbf").slice(0, -1)) say("flow_search.event", data);
  assert.equal(last.running, true);
  say("executed", { node: "3", prompt_id: "prompt-1", output: { images: [] } });
  assert.equal(last.running, true);
  say("execution_interrupted", { prompt_id: "another" });
  assert.equal(last.running, true);
  say("execution_interrupted", { prompt_id: "prompt-1" });
  assert.equal(last.running, false);
  assert.equal(last.searches[0].stopped, "cancel");
  const file = { filename: "a.png", subfolder: "", type: "temp" };
  const text = JSON.stringify(GOLDEN.rbf.report);
  const output = { flow_search_report: [text], flow_search_images: [file] };
  say("executed", { node: "22:9", prompt_id: "prompt-1", output });
  assert.equal(last.searches[0].stopped, "budget");
  assert.equal(bestPicture(last.searches[0]).picture.file, file);
  assert.deepEqual(last.run, RUN);
});

test("for a node that ran on a list, the last report is shown with its images", () => {
  const source = new EventTarget();
  let last = null;
  new Store(source, (model) => (last = model));
  const { rbf, smc } = GOLDEN;
  const batch = { ...smc.report, batch: [smc.report, smc.report] };
  const files = ["a", "b", "c"].map((name) => ({ filename: name, subfolder: "", type: "temp" }));
  for (const data of messages("smc")) {
    source.dispatchEvent(Object.assign(new Event("flow_search.event"), { detail: data }));
  }
  const text = [rbf.report, batch].map((report) => JSON.stringify(report));
  const output = { flow_search_report: text, flow_search_images: files };
  const detail = { node: "22:9", prompt_id: "prompt-1", output };
  source.dispatchEvent(Object.assign(new Event("executed"), { detail }));
  assert.deepEqual(
    last.searches.map((search) => [search.method, bestPicture(search).picture.file.filename]),
    [
      ["smc", "b"],
      ["smc", "c"],
    ],
  );
});

test("a page that missed the events gets the plain image with the report", async () => {
  let last = null;
  const store = new Store(new EventTarget(), (model) => (last = model));
  const file = { filename: "plain.jpg", subfolder: "flow_search", type: "temp" };
  const output = {
    flow_search_report: [JSON.stringify(GOLDEN.automatic.report)],
    flow_search_plain: [file],
  };
  store.finish({ node: "22:9", prompt_id: "prompt-1", output });
  await new Promise((then) => setTimeout(then));
  assert.deepEqual(last.searches[0].plain, { reward: -1.5, jpeg: null, file });
});

test("in a loop, the report belongs to the node on the canvas", () => {
  const source = new EventTarget();
  const runs = [];
  const store = new Store(source, (model) => runs.push(model.run));
  for (const data of messages("rbf")) store.receive(data);
  const output = { flow_search_report: [JSON.stringify(GOLDEN.rbf.report)] };
  const detail = { node: "22:9.0.0.3", display_node: "22:9", prompt_id: "prompt-1", output };
  source.dispatchEvent(Object.assign(new Event("executed"), { detail }));
  assert.equal(runs.length, messages("rbf").length + 1);
  assert.deepEqual(runs.at(-1), RUN);
});

test("the report of an ended prompt does not replace a newer run", async () => {
  const prompt = [0, "prompt-0", {}, { extra_pnginfo: { workflow: { id: "workflow-1" } } }, []];
  const history = { "prompt-0": { prompt } };
  const answers = { "/queue": { queue_running: [] }, "/history/prompt-0": history };
  const ask = async (route) => answers[route];
  let last = null;
  const store = new Store(new EventTarget(), (model) => (last = model), ask);
  const settled = () => new Promise((then) => setTimeout(then));
  const output = { flow_search_report: [JSON.stringify(GOLDEN.rbf.report)] };
  store.finish({ node: "22:9", prompt_id: "prompt-0", output });
  await settled();
  assert.deepEqual(last.run, { ...RUN, prompt: "prompt-0" });
  store.receive(messages("rbf")[0]);
  store.finish({ node: "22:9", prompt_id: "prompt-0", output });
  await settled();
  assert.equal(last.running, true);
});

/** Answers of the server by route. */
const history = (prompt, entry) => ({ [`/history/${prompt}`]: { [prompt]: entry } });
const queue = (running, pending = []) => ({
  "/queue": {
    queue_running: running.map((prompt) => [0, prompt]),
    queue_pending: pending.map((prompt) => [0, prompt]),
  },
});
const report = { flow_search_report: [JSON.stringify(GOLDEN.rbf.report)] };
const turn = { outputs: { "9.0.3": report }, meta: { "9.0.3": { display_node: "22:9" } } };
const kinds = ["execution_start", "execution_interrupted"];
const cancelled = { outputs: {}, status: { messages: kinds.map((kind) => [kind, {}]) } };
const MISSED = {
  "with its report": [history("prompt-1", { outputs: { "22:9": report } }), "budget"],
  "with its report, in a loop": [history("prompt-1", turn), "budget"],
  cancelled: [history("prompt-1", cancelled), "cancel"],
  "with the server": [{}, "unknown"],
};

for (const [how, [history, stopped]] of Object.entries(MISSED)) {
  test(`a run that ended while the socket was lost ends in the panel: ${how}`, async () => {
    const source = new EventTarget();
    const settled = async (type) => {
      source.dispatchEvent(new Event(type));
      await new Promise((then) => setTimeout(then));
    };
    let answers = {};
    let last = null;
    let requests = 0;
    const ask = async (route) => (requests++, answers[route] ?? null);
    new Store(source, (model) => (last = model), ask);
    for (const detail of messages("rbf").slice(0, -2)) {
      source.dispatchEvent(Object.assign(new Event("flow_search.event"), { detail }));
    }
    await settled("status");
    assert.equal(requests, 0, "no requests while the socket is open");
    await settled("reconnected");
    for (const open of [queue(["prompt-1"]), queue(["prompt-0"], ["prompt-1"])]) {
      answers = { ...open, ...history };
      await settled("status");
      assert.equal(last.running, true);
    }
    answers = { ...queue(["prompt-2"]), ...history };
    await settled("status");
    assert.deepEqual([last.running, last.searches[0].stopped], [false, stopped]);
    requests = 0;
    for (const type of ["status", "reconnected"]) await settled(type);
    assert.equal(requests, 0, "nothing runs");
  });
}
