/** Field 31: a search saved in a stranger's workflow or image must not freeze the page. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { bestLine, bestPicture, bestRow, film, lineage, nearest, shares } from "../../web/lib/derive.js";
import { pack, unpack } from "../../web/lib/saved_search.js";
import { emptySearch, fromReport } from "../../web/lib/model.js";
import { describe, figure, texts } from "../../web/lib/texts.js";

const GOLDEN = JSON.parse(readFileSync(new URL("golden_events.json", import.meta.url), "utf-8"));
const RUN = { node: "9", prompt: null, workflow: null };
const MS = 2000; // for everything that the page does with one model

const copy = (value) => structuredClone(value);
const report = () => copy(GOLDEN.rbf.report);
const saved = () => JSON.parse(JSON.stringify(pack(fromReport(report(), RUN))));

/** Compute everything that the panel shows of a model. */
function useModel(model) {
  const words = texts("en");
  for (const search of model.searches) {
    const best = bestRow(search);
    figure(best?.reward ?? null);
    for (const { row } of film(search)) describe(row, lineage(search, row.id), words);
    for (const row of search.rows.slice(0, 40)) nearest(search, row.id);
    bestLine(search);
    bestPicture(search);
    shares(search);
  }
  JSON.stringify(pack(model));
}

/** Unpack any value, in time: returns the model, or the lines in the console if there is none. */
function opened(saved) {
  const lines = [];
  const { warn } = console;
  console.warn = (...words) => lines.push(words.join(" "));
  const before = performance.now();
  try {
    const model = unpack(saved, RUN);
    if (model) useModel(model);
    assert.ok(performance.now() - before < MS);
    assert.ok(lines.every((line) => !line.includes("\n") && line.length < 300), lines[0]);
    return model ?? lines;
  } finally {
    console.warn = warn;
  }
}

const chain = (count) =>
  Array.from({ length: count }, (_, id) => ({
    ...GOLDEN.rbf.report.trace[0],
    id,
    parent: id ? id - 1 : null,
  }));

const HOSTILE = {
  "a parent of itself": (r) => (r.trace[3].parent = r.trace[3].id),
  "two parents of each other": (r) => {
    r.trace[2].parent = r.trace[3].id;
    r.trace[3].parent = r.trace[2].id;
  },
  "the same id twice": (r) => (r.trace[3].id = r.trace[2].id),
  "a huge step": (r) => (r.trace[3].step = 1e9),
  "a negative path": (r) => (r.trace[3].path = -1),
  "a path that is no number": (r) => (r.trace[3].path = "x"),
  "a million rows": (r) => (r.trace = chain(1e6)),
  "no trace": (r) => delete r.trace,
  "a trace that is no list": (r) => (r.trace = { length: 1e9 }),
  "a long list of sigmas": (r) => (r.sigmas = Array(1e6).fill(0)),
  "sigmas that are a text": (r) => (r.sigmas = "0.5"),
  "a batch with null": (r) => (r.batch = [null]),
  "a large batch": (r) => (r.batch = Array(1e5).fill(r)),
  "a batch that is no list": (r) => (r.batch = 7),
  "no budget": (r) => delete r.budget,
  "a long choice": (r) => (r.chosen = { why: "x".repeat(1e6) }),
  "a choice without a reason": (r) => (r.chosen = {}),
  "a long method": (r) => (r.method = "x".repeat(1e6)),
  "a reward that is a text": (r) => (r.trace[0].reward = "1"),
};

for (const [name, spoil] of Object.entries(HOSTILE)) {
  test(`a report with ${name} is refused at once`, () => {
    const spoiled = report();
    spoil(spoiled);
    const lines = opened({ report: spoiled });
    assert.ok(Array.isArray(lines) && lines.length === 1 && lines[0].includes("expected"), `${lines}`);
  });
}

test("valid reports and saved searches are shown", () => {
  assert.equal(opened({ report: report() }).searches.length, 1);
  assert.equal(opened(saved()).searches[0].rows.length, report().trace.length);
  const long = { ...report(), trace: chain(5000), best: { id: 3 } };
  assert.equal(opened({ report: long }).searches[0].rows.length, 5000);
});

/** The paths to all entries of a value. */
function* places(value, way = []) {
  if (value === null || typeof value !== "object") return;
  const keys = Object.keys(value);
  const ends = [...keys.slice(0, 2), ...keys.slice(2).slice(-1)];
  for (const key of Array.isArray(value) ? ends : keys) {
    yield [...way, key];
    yield* places(value[key], [...way, key]);
  }
}

const NASTY = [
  null, true, "", "x", "x".repeat(2e6), -1, 0, 1, 7, 0.5, 1e9, 1e308, -1e308, 2 ** 53, [], {},
  [[]], Array(20000).fill(0), { length: 1e9 }, undefined,
];

for (const [name, make] of Object.entries({ report: () => ({ report: report() }), saved })) {
  test(`${name}: any value in any place is shown or refused at once`, () => {
    let [shown, refused] = [0, 0];
    for (const way of places(make())) {
      for (const value of NASTY) {
        const spoiled = make();
        const holder = way.slice(0, -1).reduce((at, key) => at[key], spoiled);
        if (value === undefined) delete holder[way.at(-1)];
        else holder[way.at(-1)] = value;
        if (Array.isArray(opened(spoiled))) refused++;
        else shown++;
      }
    }
    assert.ok(shown > 100 && refused > 300, `${shown} shown, ${refused} refused`);
  });
}

test("shares are computed at once even if a step number is huge", () => {
  const search = emptySearch();
  search.rows = [0, 1e9].map((step, id) => ({ ...report().trace[0], id, step }));
  assert.ok(shares(search).length <= 10001);
});
