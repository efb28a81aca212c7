/** The page's model of a search, tested with the golden events that the Python code sends. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  bestLine,
  bestRow,
  lineage,
  lowerFinish,
  nearest,
  plainWon,
  shares,
} from "../../web/lib/derive.js";
import { comparison } from "../../web/lib/dialog.js";
import { facts } from "../../web/lib/facts.js";
import { emptySearch, fromReport, reduce } from "../../web/lib/model.js";
import { replayText } from "../../web/lib/replay_report.js";
import { texts } from "../../web/lib/texts.js";
import { GOLDEN, messages, reduced, RUN } from "./golden.mjs";

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

test("the plain image that scored highest is the result, and is compared with nothing", () => {
  const [search] = reduced("automatic").searches;
  const won = { ...search, plain: { ...search.plain, id: search.best } };
  assert.deepEqual([plainWon(search), plainWon(won), comparison(won)], [false, true, null]);
  const words = texts("en");
  const row = search.rows[search.places.get(search.best)];
  assert.deepEqual(facts(won, row, words)[1], [words.plain, words.plainWon]);
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
