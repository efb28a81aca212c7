/** The page's model of a search, tested with the golden events that the Python code sends. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  bestLine,
  bestPicture,
  bestRow,
  film,
  lineage,
  lowerFinish,
  nearest,
  shares,
} from "../../web/lib/derive.js";
import { comparison } from "../../web/lib/dialog.js";
import { facts } from "../../web/lib/facts.js";
import { emptySearch, fromReport, reduce, withPicturesOf } from "../../web/lib/model.js";
import { pack, PICTURES, ROWS, unpack } from "../../web/lib/saved_search.js";
import { replayText } from "../../web/lib/replay_report.js";
import { Store } from "../../web/lib/store.js";
import { texts } from "../../web/lib/texts.js";

const GOLDEN = JSON.parse(readFileSync(new URL("golden_events.json", import.meta.url), "utf-8"));
const RUN = { node: "22:9", prompt: "prompt-1", workflow: "workflow-1" };

/** Freeze a value and everything in it, so that a reducer that changes its input throws. */
function frozen(value) {
  if (value === null || typeof value !== "object" || Object.isFrozen(value)) return value;
  Object.values(value instanceof Map ? [...value.values()] : value).forEach(frozen);
  return Object.freeze(value);
}

const messages = (name) => GOLDEN[name].messages.map((m) => m.data);
const reduced = (name, count) =>
  messages(name)
    .slice(0, count)
    .reduce((model, m) => frozen(reduce(model, frozen(m))), null);

for (const name of Object.keys(GOLDEN)) {
  const { report } = GOLDEN[name];

  test(`${name}: the events add up to the report`, () => {
    const live = reduced(name);
    assert.deepEqual(live, fromReport(report, RUN, live));
    assert.deepEqual(live.run, RUN);
    assert.equal(live.searches[0].stopped, report.stopped);
    assert.equal(live.searches[0].spent, report.spent.nfe);
  });

  test(`${name}: the best particle is the best of the report`, () => {
    const { id, reward } = bestRow(reduced(name).searches[0]);
    assert.deepEqual([id, reward], [report.best.id, report.best.reward]);
  });

  test(`${name}: the search runs until the last message`, () => {
    const all = messages(name).length;
    for (const count of [1, 2, all - 1]) assert.equal(reduced(name, count).running, true);
    assert.equal(reduced(name, all).running, false);
  });

  test(`${name}: the best line rises to the best particle before the finish`, () => {
    const line = bestLine(reduced(name).searches[0]);
    const tried = report.trace.filter((row) => row.kind !== "finish" && row.reward !== null);
    assert.equal(line.at(-1).reward, Math.max(...tried.map((row) => row.reward)));
    line.slice(1).forEach((point, i) => assert.ok(point.reward > line[i].reward));
  });

  test(`${name}: shares count every particle once`, () => {
    const counted = shares(reduced(name).searches[0]).reduce((sum, { tries }) => sum + tries, 0);
    assert.equal(counted, report.trace.filter((row) => row.kind !== "finish").length);
  });

  test(`${name}: a saved model is restored`, () => {
    const moved = GOLDEN[name].report.trace.filter((row) => row.accepted || row.kind === "finish");
    const rows = moved.map((row, i) => ({ ...row, watchdog: i % 3 ? i / 4 : null }));
    const live = messages(name).reduce(
      (model, m) => reduce(model, m.kind === "done" ? { ...m, rows } : m),
      null,
    );
    const back = unpack(JSON.parse(JSON.stringify(pack(live))), RUN);
    const [before, after] = [live.searches[0], back.searches[0]];
    const facts = ({ id, parent, kind, accepted, quota, failed, watchdog }) =>
      [id, parent, kind, accepted, quota, failed, watchdog];
    assert.deepEqual(after.rows.map(facts), before.rows.map(facts));
    after.rows.forEach((row, i) => {
      const { reward } = before.rows[i];
      assert.ok(row.reward === reward || Math.abs(row.reward - reward) <= 1e-5 * Math.abs(reward));
    });
    assert.deepEqual(shares(after), shares(before));
    assert.deepEqual(after.top, report.top.map(({ id }) => id));
    assert.deepEqual([after.why, after.seconds], [before.why, report.spent.seconds.total]);
    assert.deepEqual(after.plain, before.plain);
    const ids = (search) => film(search).map((frame) => frame.row.id);
    assert.deepEqual(ids(after), ids(before));
    assert.equal(bestPicture(after).row.id, report.best.id);
  });
}

test("rollover: the tries of a step are within its quota, and unused tries roll over", () => {
  const { report } = GOLDEN.rbf;
  const steps = shares(fromReport(report, RUN).searches[0]);
  const [, ...inner] = steps.slice(0, -1);
  assert.ok(inner.length >= 2);
  for (const { tries, base, rolled } of inner) assert.ok(tries >= 1 && tries <= base + rolled);
  assert.deepEqual(
    inner.map((share) => share.base),
    inner.map(() => 6),
  ); // two paths of three
  inner.forEach(({ tries, base, rolled }, i) => {
    // A path that exhausted its quota passes nothing on. Other paths pass on all unused tries.
    assert.ok(steps[i + 2].rolled <= base + rolled - tries);
  });
  assert.ok(steps.some((share) => share.rolled > 0));
});

test("the result and the reward of its finish are those of the report", () => {
  for (const name of Object.keys(GOLDEN)) {
    const { report } = GOLDEN[name];
    const live = reduced(name).searches[0];
    for (const search of [live, fromReport(report, RUN).searches[0]]) {
      assert.equal(bestRow(search).id, report.best.id);
      assert.equal(search.start, report.best.start);
      assert.equal(lowerFinish(search), report.best.finish_reward ?? null);
    }
  }
  assert.ok(Object.values(GOLDEN).some(({ report }) => report.best.finish_reward !== undefined));
});

test("a finish that is lower by rounding is not mentioned", () => {
  const of = (reward, lower) => {
    const rows = [reward, lower].map((reward, id) => ({ id, parent: id ? 0 : null, reward, kind: "born" }));
    rows[1].kind = "finish";
    return lowerFinish({ ...emptySearch(), rows, places: new Map([[0, 0], [1, 1]]), best: 0 });
  };
  const lower = [[0.5, 0.49], [0.5, 0.5 - 1e-8], [-20, -20.001], [0, -1e-8], [0, -1e-3], [0.5, null]];
  assert.deepEqual(lower.map(([a, b]) => of(a, b)), [0.49, null, null, null, -1e-3, null]);
});

test("a replay needs the results and what they were finished from", () => {
  for (const { report } of Object.values(GOLDEN)) {
    const batch = [report, report];
    const small = JSON.parse(replayText({ ...report, batch }, "the whole text"));
    for (const { trace, ...rest } of [small, ...small.batch]) {
      const ids = trace.map((row) => row.id);
      for (const { id } of [report.best, ...report.top]) assert.ok(ids.includes(id));
      assert.ok(trace.filter(({ kind }) => kind === "finish").every((row) => ids.includes(row.parent)));
      assert.ok(trace.length <= 2 * report.top.length && trace.length < report.trace.length);
      assert.deepEqual(rest.best, report.best);
    }
    assert.equal(replayText({ ...report, seed: 2 ** 60 }, "the whole text"), "the whole text");
  }
});

test("two images are compared if both are there", () => {
  const [search] = reduced("automatic").searches;
  const { plain, best } = comparison(search);
  assert.deepEqual([plain.reward, best.row.id], [-1.5, search.best]);
  assert.deepEqual(facts(search, best.row, texts("en"))[1], ["without search", "-1.5"]);
  assert.equal(comparison({ ...search, pictures: new Map() }), null);
  assert.equal(comparison({ ...search, plain: { ...plain, jpeg: null } }), null);
  assert.equal(comparison(reduced("smc").searches[0]), null);
});

test("lineage goes from birth to the result", () => {
  const { report } = GOLDEN.rbf;
  const line = lineage(fromReport(report, RUN).searches[0], report.best.id);
  assert.equal(line[0].kind, "born");
  assert.equal(line.at(-1).id, report.best.id);
  line.slice(1).forEach((row, i) => assert.equal(row.parent, line[i].id));
});

test("another prompt or another start begins a new model", () => {
  const [start] = messages("rbf");
  const first = messages("rbf").findIndex(({ kind }) => kind === "born");
  const born = messages("rbf")[first];
  const model = reduced("rbf", first + 1);
  assert.equal(model.searches[0].rows.length, 6);
  assert.equal(reduce(model, start).searches[0].rows.length, 0);
  const other = reduce(model, { ...born, prompt_id: "prompt-2", rows: born.rows.slice(0, 1) });
  assert.equal(other.searches[0].rows.length, 1);
});

test("a message of another version changes nothing", () => {
  const model = reduced("rbf", 2);
  assert.equal(reduce(model, { ...messages("rbf")[2], version: 2 }), model);
});

test("a batch has one search per image and ends with the last image", () => {
  const all = messages("rbf");
  let model = null;
  for (const image of [0, 1]) {
    for (const message of all) model = reduce(model, { ...message, image, images: 2 });
    assert.equal(model.running, image === 0);
  }
  assert.equal(model.searches.length, 2);
  assert.deepEqual(model.searches[0], model.searches[1]);
  const report = { ...GOLDEN.rbf.report, batch: [GOLDEN.rbf.report, GOLDEN.rbf.report] };
  assert.deepEqual(fromReport(report, RUN, model).searches, model.searches);
});

test("the saved form is small and keeps the important particles", () => {
  const search = emptySearch(9000, "rbf", [1, 0.5, 0]);
  search.rows = Array.from({ length: 9000 }, (_, id) => ({
    id,
    parent: id ? 0 : null,
    path: 0,
    step: id ? 1 : 0,
    t: 0.5,
    kind: id ? "propose" : "born",
    reward: Math.sin(id) * (id < 8000 ? 1 : 2),
    accepted: id % 100 === 0,
    nfe: id + 1,
  }));
  search.places = new Map(search.rows.map((row, i) => [row.id, i]));
  search.pictures = new Map(
    search.rows.map(({ id }) => [id, { id, jpeg: "x".repeat(4000), file: null }]),
  );
  const model = { run: RUN, running: false, current: 0, searches: [search] };
  const text = JSON.stringify(pack(model));
  assert.ok(text.length < 120_000, `${text.length}`);
  const [back] = unpack(JSON.parse(text), RUN).searches;
  assert.equal(back.rows.length, ROWS);
  assert.equal(back.pictures.size, PICTURES);
  assert.equal(bestRow(back).id, bestRow(search).id);
  assert.ok(bestLine(search).every((point) => back.places.has(point.nfe - 1)));
  assert.deepEqual(shares(back), shares(search));
  assert.ok(search.rows.filter((row) => row.accepted).every((row) => back.places.has(row.id)));
});

test("a report that is sent again keeps the images shown; another report does not", () => {
  const shown = unpack(JSON.parse(JSON.stringify(pack(reduced("rbf")))), RUN);
  const { report } = GOLDEN.rbf;
  const file = { filename: "a.png", subfolder: "", type: "temp" };
  const [again] = withPicturesOf(
    fromReport(report, { ...RUN, prompt: "2" }, null, [file]),
    shown,
  ).searches;
  assert.deepEqual(new Set(again.pictures.keys()), new Set(shown.searches[0].pictures.keys()));
  assert.equal(again.pictures.get(report.best.id).file, file);
  assert.equal(again.pictures.get(report.best.id).jpeg, "/9j/2Q==");
  const other = fromReport(GOLDEN.smc.report, { ...RUN, prompt: "2" });
  assert.equal(withPicturesOf(other, shown).searches[0].pictures.size, 0);
  const trace = report.trace.map((row) => ({ ...row, reward: row.reward + 1 }));
  const moved = fromReport({ ...report, trace }, { ...RUN, prompt: "2" });
  assert.equal(withPicturesOf(moved, shown).searches[0].pictures.size, 0);
  assert.deepEqual(withPicturesOf(other, null), other);
});

test("what holds in the best image is saved with it", () => {
  const { report } = GOLDEN.rbf;
  const items = [{ question: "Red?", answer: "yes", p: 0.25 }];
  const trace = report.trace.map((row) => (row.id === report.best.id ? { ...row, items } : row));
  const saved = JSON.parse(JSON.stringify(pack(fromReport({ ...report, trace }, RUN))));
  const [{ rows, best }] = unpack(saved, RUN).searches;
  assert.deepEqual(rows.filter((row) => row.items).map(({ id }) => id), [best]);
  assert.deepEqual(rows.find(({ id }) => id === best).items, items);
  saved.searches[0].items = [{ question: 1, answer: "yes", p: 2 }];
  assert.equal(unpack(saved, RUN), null);
});

test("a search that was saved without a watchdog opens", () => {
  const saved = JSON.parse(JSON.stringify(pack(reduced("rbf"))));
  delete saved.searches[0].watchdog;
  assert.ok(unpack(saved, RUN).searches[0].rows.every((row) => !("watchdog" in row)));
});

test("a report from an image is restored, unknown data is not", () => {
  for (const saved of [undefined, null, {}, { version: 99, searches: [] }]) {
    assert.equal(unpack(saved, RUN), null);
  }
  assert.equal(unpack({ report: GOLDEN.smc.report }, RUN).searches[0].method, "smc");
});

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

test("shares of half a million particles are computed", () => {
  const search = emptySearch();
  const row = { id: 0, kind: "propose", step: 1, reward: 0, accepted: false, nfe: 1, path: 0 };
  search.rows = Array.from({ length: 500000 }, (_, id) => ({ ...row, id, step: id % 10 }));
  assert.equal(shares(search).length, 10);
});

test("a particle without an image shows the image of its nearest ancestor", () => {
  const { report } = GOLDEN.rbf;
  const search = fromReport(report, RUN).searches[0];
  const line = lineage(search, report.best.id);
  search.pictures.clear();
  assert.equal(nearest(search, report.best.id), null);
  const picture = { id: line[0].id, jpeg: "", file: null };
  search.pictures.set(line[0].id, picture);
  assert.equal(nearest(search, report.best.id), picture);
  assert.equal(nearest(search, -1), null);
});
