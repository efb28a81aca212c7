/**
 * Packs a finished model to save it with the workflow, and unpacks it. The size is limited. No DOM.
 *
 * Of many particles it keeps the accepted, the finished, the records and the ancestors of the best,
 * then an even sample of the rest. Of images it keeps the best, its ancestors and the latest.
 */

import { checkReports, checkSaved } from "./saved_checks.js";
import { bestLine, bestRow, film, lineage, shares, topPictures } from "./derive.js";
import { LONGEST, replayText } from "./replay_report.js";
import { emptyModel } from "./run_end.js";
import { emptySearch, fromReport } from "./model.js";

/** @typedef {import("./model.js").Model} Model @typedef {import("./model.js").Search} Search */
/** @typedef {import("./model.js").Row} Row @typedef {import("./model.js").Run} Run */

export const VERSION = 1; // of the saved form
export const ROWS = 1000; // of all searches together
export const PICTURES = 12; // of all searches together
const COLUMNS = /** @type {const} */ (["id", "parent", "path", "step", "kind", "reward", "nfe"]);

/** @param {?number} value @returns {?number} six digits of it */
const short = (value) => (value === null ? null : Number(value.toPrecision(6)));

/** @param {Row} row @returns {any[]} its watchdog's score by id, if it has one */
const watchdogOf = ({ id, watchdog }) => (watchdog === undefined ? [] : [[id, short(watchdog)]]);

/**
 * At most `limit` rows, in their order; the most important are kept.
 * @param {Search} search
 * @param {number} limit
 * @returns {Row[]}
 */
export function thin(search, limit) {
  if (search.rows.length <= limit) return search.rows;
  const best = bestRow(search);
  const line = best ? lineage(search, best.id).map((row) => row.id) : [];
  const ids = new Set([...line, ...search.top]);
  const records = new Set(bestLine(search).map((point) => point.nfe));
  const rank = (/** @type {Row} */ row) => {
    if (ids.has(row.id) || row.kind === "finish") return 0;
    return records.has(row.nfe) || row.accepted ? 1 : 2;
  };
  /** @type {Row[]} */
  const kept = [];
  for (const value of [0, 1, 2]) {
    const group = search.rows.filter((row) => rank(row) === value);
    const room = Math.min(group.length, limit - kept.length);
    for (let i = 0; i < room; i++) kept.push(group[Math.floor((i * group.length) / room)]);
  }
  const place = (/** @type {Row} */ row) => search.places.get(row.id) ?? 0;
  return kept.sort((a, b) => place(a) - place(b));
}

/**
 * @param {Search} search
 * @param {number} rows at most
 * @param {number} pictures at most
 */
function packSearch(search, rows, pictures) {
  const kept = thin(search, rows);
  const best = bestRow(search);
  const line = new Set(best ? lineage(search, best.id).map((row) => row.id) : []);
  const frames = film(search).reverse();
  const results = topPictures(search).slice(0, pictures >> 1);
  const order = [
    ...results,
    ...[...frames.filter((f) => line.has(f.row.id)), ...frames.filter((f) => !line.has(f.row.id))]
      .filter(({ picture }) => !results.some((result) => result.picture === picture)),
  ];
  return {
    method: search.method,
    sigmas: search.sigmas.map(short),
    budget: search.budget,
    spent: search.spent,
    seconds: short(search.seconds),
    stopped: search.stopped,
    columns: COLUMNS.map((name) =>
      kept.map((r) => (name === "reward" ? short(r.reward) : r[name])),
    ),
    accepted: kept.filter((row) => row.accepted).map((row) => [row.id, row.quota ?? null]),
    failed: kept.filter((row) => row.failed).map((row) => [row.id, row.failed]),
    watchdog: kept.flatMap(watchdogOf),
    shares: shares(search).map((share) => [share.step, share.tries, share.base, share.rolled]),
    pictures: order.slice(0, pictures).map(({ picture: { id, jpeg, file } }) => ({ id, jpeg, file })),
    ...(best?.items && { items: best.items }),
    ...(search.maximum !== null && { maximum: search.maximum }),
    ...(search.why !== null && { why: search.why }),
    ...(search.plain !== null && { plain: search.plain }),
    ...(search.best !== null && { best: search.best, start: search.start, top: search.top }),
  };
}

/**
 * The saved form of a model.
 * @param {Model} model
 * @returns {object} for JSON
 */
export function pack(model) {
  const count = model.searches.length;
  const [rows, pictures] = [ROWS, PICTURES].map((total) => Math.max(1, Math.floor(total / count)));
  const { ended, error, saved } = model;
  const replay = model.report && model.report.length <= LONGEST ? { replay: model.report } : {};
  const searches = model.searches.map((search) => packSearch(search, rows, pictures));
  return { version: VERSION, searches, ...replay, ...(ended && { ended, error, saved }) };
}

/**
 * @param {any} saved
 * @returns {Search}
 */
function unpackSearch(saved) {
  const [ids] = saved.columns;
  const accepted = new Map(saved.accepted);
  const failed = new Map(saved.failed);
  const watchdog = new Map(saved.watchdog); // older files have none
  const rows = ids.map((/** @type {number} */ id, /** @type {number} */ i) => {
    const row = Object.fromEntries(COLUMNS.map((name, at) => [name, saved.columns[at][i]]));
    row.t = row.kind === "finish" ? 0 : saved.sigmas[row.step];
    row.accepted = accepted.has(id);
    if (accepted.get(id) != null) row.quota = accepted.get(id);
    if (failed.has(id)) row.failed = failed.get(id);
    if (watchdog.has(id)) row.watchdog = watchdog.get(id);
    if (saved.items && id === saved.best) row.items = saved.items;
    return row;
  });
  return {
    ...emptySearch(saved.budget, saved.method, saved.sigmas, saved.maximum ?? null),
    spent: saved.spent,
    seconds: saved.seconds ?? 0, // older files have none
    stopped: saved.stopped,
    best: saved.best ?? null, // older files have none
    start: saved.start ?? null,
    top: saved.top ?? [],
    why: saved.why ?? null,
    plain: saved.plain ?? null,
    rows,
    places: new Map(rows.map((/** @type {Row} */ row, /** @type {number} */ i) => [row.id, i])),
    pictures: new Map(saved.pictures.map((/** @type {any} */ picture) => [picture.id, picture])),
    shares: saved.shares.map((/** @type {number[]} */ [step, tries, base, rolled]) => ({
      step,
      tries,
      base,
      rolled,
    })),
  };
}

/**
 * The model of the saved form, or of a report from an image file; null for anything else.
 * If the value is malformed, the console says how.
 * @param {any} saved the form that `pack` makes; or a `report`, maybe with small `pictures` of the
 *   results, one per image of the batch
 * @param {Run} run
 * @returns {?Model}
 */
export function unpack(saved, run) {
  const report = saved?.report?.version === 1 ? saved.report : null;
  if (!report && saved?.version !== VERSION) return null;
  try {
    if (report) checkReports(report.batch ?? [report]);
    else checkSaved(saved.searches);
  } catch (error) {
    console.warn(`Flow Search: ${/** @type {Error} */ (error).message}`);
    return null;
  }
  if (report) {
    const model = { ...fromReport(report, run), report: replayText(report) };
    return (saved.pictures ?? []).reduce(withResult, model);
  }
  const { ended = null, error = null, saved: files = [], replay } = saved;
  const searches = saved.searches.map(unpackSearch);
  const isText = typeof replay === "string" && replay.length <= LONGEST;
  const ends = { ended, error, saved: files, report: isText ? replay : null };
  return { ...emptyModel(run), images: searches.length, searches, ...ends };
}

/**
 * The model of a search saved with a workflow; null if it cannot be read, so that the workflow
 * opens.
 * @param {any} saved
 * @param {string} node
 */
export function restore(saved, node) {
  try {
    return unpack(saved, { node, prompt: null, workflow: null });
  } catch (error) {
    console.warn(`Flow Search: the search saved in node ${node} cannot be read.`, error);
    return null;
  }
}

/**
 * A model with an image of one result.
 * @param {Model} model
 * @param {?string} jpeg small, in base64
 * @param {number} image its place in the batch
 * @param {any} [more] other entries of the picture
 * @returns {Model}
 */
export function withResult(model, jpeg, image, more = {}) {
  const search = model.searches[image];
  const id = search && bestRow(search)?.id;
  if (id == null) return model;
  const pictures = new Map([...search.pictures, [id, { id, jpeg, file: null, ...more }]]);
  const searches = model.searches.slice();
  searches[image] = { ...search, pictures };
  return { ...model, searches };
}

/**
 * Whether a saved report has a single result, so that a file with this report shows that result.
 * @param {any} saved
 */
export function hasOneImage(saved) {
  const report = saved?.report;
  return Boolean(report) && (report.batch ?? [report]).length === 1 && report.top.length === 1;
}
