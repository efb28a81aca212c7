/** What the panel says of a run: its state, its time, and the facts of its best particle. No DOM. */

import { isPerfect, isUnspent, lowerFinish, plainWon, shares } from "./derive.js";
import { duration, figure, imageOf } from "./texts.js";

/** @typedef {import("./model.js").Model} Model @typedef {import("./model.js").Search} Search */
/** @typedef {import("./model.js").Row} Row */
/** @typedef {import("./texts.js").Texts} Texts */

const ITEMS = 6; // at most, of a checklist

/**
 * What a running search is doing.
 * @param {Model} model
 * @param {boolean} stopping whether the user pressed Stop
 * @param {Texts} words
 */
export function doing({ lost, current, images }, stopping, words) {
  const state = stopping ? words.stopping : lost ? words.lost : words.searching;
  return images > 1 ? `${state}, ${imageOf(words, current, images)}` : state;
}

/**
 * Why a run has ended.
 * @param {Model} model
 * @param {?Search} search the one shown
 * @param {Texts} words
 */
export function ending(model, search, words) {
  const reasons = /** @type {Record<string, string>} */ (/** @type {unknown} */ (words));
  const perfect = search?.rows.some((row) => isPerfect(search, row));
  const highest = perfect && search?.stopped === "target";
  const stopped = search && isUnspent(search) ? "unspent" : search?.stopped;
  const error = search ? "error" : "unstarted"; // without a search, the run never began
  const why = model.error ? error : (model.ended ?? stopped ?? "unknown");
  return highest && !model.ended ? words.highest : (reasons[why] ?? words.unknown);
}

/**
 * Seconds that one evaluation takes, without the time before the first; null if not known yet.
 * @param {Search} search
 */
function pace({ first, seconds, spent }) {
  return first && spent > first.spent ? (seconds - first.seconds) / (spent - first.spent) : null;
}

/**
 * Seconds that the searches of all images still take at the latest pace, if they use their whole
 * budget or time; null if there is no pace yet.
 * @param {Model} model
 */
export function secondsLeft({ searches, current, images }) {
  const each = searches.map(pace).filter((seconds) => seconds !== null).at(-1) ?? null;
  const search = searches[current];
  if (each === null || !search) return null;
  const { budget, spent, seconds } = search;
  const limit = search.limit ?? Infinity;
  const rest = Math.max(0, Math.min((budget - spent) * each, limit - seconds));
  return rest + (images - current - 1) * Math.min(budget * each, limit);
}

/**
 * "12 s, about 45 s left" during a run, "57 s" after it; empty if the time is not known.
 * @param {Model} model
 * @param {number} since seconds since the model's last message, 0 after the run
 * @param {Texts} words
 */
export function timeOf(model, since, words) {
  const known = model.searches.reduce((sum, search) => sum + search.seconds, 0);
  const left = model.running ? (secondsLeft(model) ?? 0) - since : 0;
  const text = known ? duration(known + since, words) : "";
  return left < 1 ? text : `${text}, ${words.left.replace("{0}", duration(left, words))}`;
}

/**
 * What holds in an image, the least likely first: triples of question, answer and kind.
 * @param {Row} row
 * @returns {string[][]}
 */
export function items(row) {
  const known = (row.items ?? []).filter((item) => item.p !== null);
  const wrong = known.sort((a, b) => Number(a.p) - Number(b.p)).slice(0, ITEMS);
  return wrong.map(({ question, answer, p }) => [
    question,
    `${answer} ${Math.round(100 * Number(p))} %`,
    "item",
  ]);
}

/**
 * What the panel says of the image without a search.
 * @param {Search} search
 * @param {Texts} words
 */
const plainOf = (search, words) =>
  plainWon(search) ? words.plainWon : figure(search.plain?.reward ?? null);

/**
 * What the panel says of the best particle: pairs of name and value, the reward first.
 * @param {Search} search
 * @param {import("./model.js").Row} row
 * @param {Texts} words
 * @returns {string[][]}
 */
export function facts(search, row, words) {
  const isResult = row.kind === "finish" || row.id === search.best;
  const lower = lowerFinish(search);
  const tried = shares(search).reduce((sum, share) => sum + share.tries, 0);
  return [
    [isResult ? words.winner : words.best, figure(row.reward), "reward"],
    ...(search.plain === null ? [] : [[words.plain, plainOf(search, words)]]),
    ...(lower === null ? [] : [[words.lower, figure(lower)]]),
    ...(row.watchdog != null ? [[words.watchdog, figure(row.watchdog)]] : []),
    [words.particle, String(row.id)],
    ...(search.start === null ? [] : [[words.start, String(search.start)]]),
    [words.path, String(row.path)],
    [words.tried, String(tried)],
    ...items(row),
  ];
}
