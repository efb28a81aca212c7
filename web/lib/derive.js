/** Facts derived from a search: best particle, best line, shares of the budget, film. No DOM. */

/** @typedef {import("./model.js").Row} Row @typedef {import("./model.js").Search} Search */
/** @typedef {import("./model.js").Share} Share @typedef {import("./model.js").Picture} Picture */

// A score changes by as much, relatively, with the images scored together, and four digits are shown.
const ROUNDING = 1e-4;
const ZERO = 1e-5; // shown as 0
const STEPS = 10000; // the host's longest schedule; more steps are not drawn

/** @param {Row} row @returns {row is Row & {reward: number}} */
export const scored = (row) => row.reward !== null;

/**
 * Whether `a` ranks before `b`: the higher reward, then the later step, then the smaller id.
 * @param {Row & {reward: number}} a
 * @param {Row & {reward: number}} b
 */
function better(a, b) {
  if (a.reward !== b.reward) return a.reward > b.reward;
  return a.step !== b.step ? a.step > b.step : a.id < b.id;
}

/**
 * The particle that is the result. Before the search returns one, it is the best particle so far.
 * After a search that ended without a result, finished particles come first.
 * @param {Search} search
 * @returns {?(Row & {reward: number})}
 */
export function bestRow(search) {
  const result = search.best === null ? null : search.rows[search.places.get(search.best) ?? -1];
  if (result && scored(result)) return result;
  const rows = search.rows.filter(scored);
  const finished = rows.filter((row) => row.kind === "finish" && search.stopped !== null);
  const among = finished.length ? finished : rows;
  return among.reduce((best, row) => (best && !better(row, best) ? best : row), among[0] ?? null);
}

/**
 * Whether the plain image scored highest and is the result.
 * @param {Search} search
 */
export function plainWon({ plain, best, rows, places }) {
  if (plain?.id === undefined || best === null) return false;
  const row = rows[places.get(best) ?? -1];
  return plain.id === best || (row?.kind === "finish" && row.parent === plain.id);
}

/**
 * Whether a search stopped for its budget with a tenth or more of it left. That happens when the
 * rest cannot pay another call at the highest cost seen.
 * @param {Search} search
 */
export function isUnspent({ stopped, spent, budget }) {
  return stopped === "budget" && spent <= 0.9 * budget;
}

/**
 * The lower reward of the finished result, if the search kept the result unfinished; else null.
 * It is null too if the difference is rounding.
 * @param {Search} search
 * @returns {?number}
 */
export function lowerFinish(search) {
  const result = search.best === null ? null : bestRow(search);
  if (!result) return null;
  const source = result.kind === "finish" ? result.parent : result.id;
  const finish = search.rows.find((row) => row.kind === "finish" && row.parent === source);
  if (!finish || finish.id === result.id || source === null || finish.reward === null) return null;
  const visible = Math.max(ZERO, ROUNDING * Math.abs(result.reward));
  return result.reward - finish.reward > visible ? finish.reward : null;
}

/**
 * Whether a particle has the highest possible reward, up to rounding.
 * @param {Search} search
 * @param {?Row} row
 */
export function isPerfect({ maximum }, row) {
  if (maximum === null || row?.reward == null) return false;
  return row.reward >= maximum - 1e-6 * Math.max(1, Math.abs(maximum));
}

/**
 * The best reward so far against NFE, without finished particles: one point per new record.
 * @param {Search} search
 * @returns {{nfe: number, reward: number}[]}
 */
export function bestLine(search) {
  const line = [];
  let record = -Infinity;
  for (const row of search.rows) {
    if (!scored(row) || row.kind === "finish" || row.reward <= record) continue;
    record = row.reward;
    line.push({ nfe: row.nfe, reward: record });
  }
  return line;
}

/**
 * Particles tried at each step. If paths have a quota, also the quota and what rolled over to the
 * step.
 * @param {Search} search
 * @returns {Share[]}
 */
export function shares(search) {
  if (search.shares) return search.shares;
  const rows = search.rows.filter((row) => row.kind !== "finish");
  const first = rows.reduce((least, row) => Math.min(least, row.step), Infinity);
  const latest = rows.reduce((most, row) => Math.max(most, row.step), -Infinity);
  const last = Math.min(latest, first + STEPS);
  /** @type {Share[]} */
  const steps = [];
  for (let step = first; step <= last; step++) steps.push({ step, tries: 0, base: 0, rolled: 0 });
  for (const row of rows) {
    const share = steps[row.step - first];
    if (share) share.tries += 1;
  }
  const quotas = rows.filter((row) => row.accepted && row.quota !== undefined);
  const base = quotas
    .filter((row) => row.step === first)
    .reduce((least, row) => Math.min(least, row.quota ?? 0), Infinity);
  for (const { step, quota = 0 } of quotas) {
    const next = steps[step + 1 - first];
    if (!next) continue;
    next.base += Math.min(base, quota);
    next.rolled += Math.max(0, quota - base);
  }
  return steps;
}

/**
 * The ancestors of a particle, oldest first, then the particle itself.
 * @param {Search} search
 * @param {number} id
 * @returns {Row[]}
 */
export function lineage(search, id) {
  const line = [];
  const visited = new Set();
  /** @type {?number} */
  let next = id;
  while (next !== null && !visited.has(next)) {
    visited.add(next);
    const place = search.places.get(next);
    if (place === undefined) break;
    line.push(search.rows[place]);
    next = search.rows[place].parent;
  }
  return line.reverse();
}

/**
 * The image of a particle or, if it was not kept, of its nearest ancestor with one.
 * @param {Search} search
 * @param {number} id
 * @returns {?Picture}
 */
export function nearest(search, id) {
  const line = lineage(search, id).reverse();
  const row = line.find((row) => search.pictures.has(row.id));
  return (row && search.pictures.get(row.id)) ?? null;
}

/**
 * The particles that have an image, in the order in which they were scored.
 * @param {Search} search
 * @returns {{row: Row, picture: Picture}[]}
 */
export function film(search) {
  const frames = [];
  for (const picture of search.pictures.values()) {
    const place = search.places.get(picture.id);
    if (place !== undefined) frames.push({ place, row: search.rows[place], picture });
  }
  return frames.sort((a, b) => a.place - b.place).map(({ row, picture }) => ({ row, picture }));
}

/**
 * The results of a search that have an image, best first.
 * @param {Search} search
 * @returns {{row: Row, picture: Picture}[]}
 */
export function topPictures(search) {
  const frames = new Map(film(search).map((frame) => [frame.row.id, frame]));
  return search.top.flatMap((id) => frames.get(id) ?? []);
}

/**
 * The best particle that has an image.
 * @param {Search} search
 * @returns {?{row: Row, picture: Picture}}
 */
export function bestPicture(search) {
  const best = bestRow(search);
  const picture = best && search.pictures.get(best.id);
  if (best && picture) return { row: best, picture };
  const frames = film(search).filter(({ row }) => row.reward !== null);
  return frames.sort((a, b) => Number(b.row.reward) - Number(a.row.reward))[0] ?? null;
}
