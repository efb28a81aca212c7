/** What a search model means: its best, its lines, its shares, its film. Pure functions, no DOM. */

/** @typedef {import("./store.js").Row} Row @typedef {import("./store.js").Search} Search */
/** @typedef {import("./store.js").Share} Share @typedef {import("./store.js").Picture} Picture */

const STEPS = 10000; // the host's longest schedule: more are not drawn

/** @param {Row} row @returns {row is Row & {reward: number}} */
export const scored = (row) => row.reward !== null;

/**
 * Whether `a` ranks before `b`: by reward, of equals the later step, then the earlier particle.
 * @param {Row & {reward: number}} a
 * @param {Row & {reward: number}} b
 */
function better(a, b) {
  if (a.reward !== b.reward) return a.reward > b.reward;
  return a.step !== b.step ? a.step > b.step : a.id < b.id;
}

/**
 * The particle that is the result; until it is known, once the search has ended the best of the
 * finished ones where there are, else of all.
 * @param {Search} search
 * @returns {?(Row & {reward: number})}
 */
export function bestRow(search) {
  const result = search.best === null ? null : search.rows[search.places.get(search.best) ?? -1];
  if (result && scored(result)) return result;
  const all = search.rows.filter(scored);
  const finished = all.filter((row) => row.kind === "finish" && search.stopped !== null);
  const among = finished.length ? finished : all;
  return among.reduce((best, row) => (best && !better(row, best) ? best : row), among[0] ?? null);
}

/**
 * Whether a search that its budget stopped left a tenth of it or more: it had to reckon each call at
 * the dearest that it saw, and what was left did not carry another one.
 * @param {Search} search
 */
export function isUnspent({ stopped, spent, budget }) {
  return stopped === "budget" && spent <= 0.9 * budget;
}

/**
 * What the finish of the result scored, where the result was kept unfinished because that was less.
 * @param {Search} search
 * @returns {?number}
 */
export function lowerFinish(search) {
  const result = search.best === null ? null : bestRow(search);
  if (!result) return null;
  const source = result.kind === "finish" ? result.parent : result.id;
  const first = search.rows.find((row) => row.kind === "finish" && row.parent === source);
  return first && first.id !== result.id && source !== null ? first.reward : null;
}

/**
 * Whether a particle's reward is the highest there is, but for float noise.
 * @param {Search} search
 * @param {?Row} row
 */
export function isPerfect({ maximum }, row) {
  if (maximum === null || row?.reward == null) return false;
  return row.reward >= maximum - 1e-6 * Math.max(1, Math.abs(maximum));
}

/**
 * The best reward so far against NFE, the finish left out: one point at each record.
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
 * Particles tried at each step; where paths have a quota, that and what rolled over to the step.
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
  const found = [];
  for (let step = first; step <= last; step++) found.push({ step, tries: 0, base: 0, rolled: 0 });
  for (const row of rows) {
    const share = found[row.step - first];
    if (share) share.tries += 1;
  }
  const quotas = rows.filter((row) => row.accepted && row.quota !== undefined);
  const base = quotas
    .filter((row) => row.step === first)
    .reduce((least, row) => Math.min(least, row.quota ?? 0), Infinity);
  for (const { step, quota = 0 } of quotas) {
    const next = found[step + 1 - first];
    if (!next) continue;
    next.base += Math.min(base, quota);
    next.rolled += Math.max(0, quota - base);
  }
  return found;
}

/**
 * A particle and its ancestors, the oldest first.
 * @param {Search} search
 * @param {number} id
 * @returns {Row[]}
 */
export function lineage(search, id) {
  const line = [];
  const seen = new Set();
  /** @type {?number} */
  let next = id;
  while (next !== null && !seen.has(next)) {
    seen.add(next);
    const place = search.places.get(next);
    if (place === undefined) break;
    line.push(search.rows[place]);
    next = search.rows[place].parent;
  }
  return line.reverse();
}

/**
 * The picture of a particle or, where none was kept, of its last ancestor with one.
 * @param {Search} search
 * @param {number} id
 * @returns {?Picture}
 */
export function nearest(search, id) {
  const kept = lineage(search, id).reverse();
  const row = kept.find((row) => search.pictures.has(row.id));
  return (row && search.pictures.get(row.id)) ?? null;
}

/**
 * The particles whose picture is known, in the order evaluated.
 * @param {Search} search
 * @returns {{row: Row, picture: Picture}[]}
 */
export function film(search) {
  const shown = [];
  for (const picture of search.pictures.values()) {
    const place = search.places.get(picture.id);
    if (place !== undefined) shown.push({ place, row: search.rows[place], picture });
  }
  return shown.sort((a, b) => a.place - b.place).map(({ row, picture }) => ({ row, picture }));
}

/**
 * The best particle whose picture is known.
 * @param {Search} search
 * @returns {?{row: Row, picture: Picture}}
 */
export function bestPicture(search) {
  const best = bestRow(search);
  const own = best && search.pictures.get(best.id);
  if (best && own) return { row: best, picture: own };
  const among = film(search).filter(({ row }) => row.reward !== null);
  return among.sort((a, b) => Number(b.row.reward) - Number(a.row.reward))[0] ?? null;
}
