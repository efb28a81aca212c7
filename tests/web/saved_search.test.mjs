/** What the panel saves with a workflow, and restores from it or from a report. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { bestLine, bestPicture, bestRow, film, shares } from "../../web/lib/derive.js";
import { emptySearch, fromReport, reduce, withPicturesOf } from "../../web/lib/model.js";
import { pack, PICTURES, ROWS, unpack } from "../../web/lib/saved_search.js";
import { GOLDEN, messages, reduced, RUN } from "./golden.mjs";

for (const name of Object.keys(GOLDEN)) {
  const { report } = GOLDEN[name];

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
