/**
 * The models of searches: a pure reducer turns events and reports into one model per node. No DOM.
 *
 * A model is the run of one node, with one search per image of the batch. Models never change: each
 * event gives a new one.
 */

import { emptyModel } from "./run_end.js";

export const VERSION = 1;

/**
 * @typedef {{id: number, parent: ?number, path: number, step: number, t: number, kind: string,
 *   reward: ?number, accepted: boolean, nfe: number, quota?: number, watchdog?: ?number,
 *   failed?: string, items?: Item[]}} Row one scored particle, as in the report's trace
 * @typedef {{question: string, answer: string, p: ?number}} Item of a checklist. p: how likely the
 *   answer is
 * @typedef {{filename: string, subfolder: string, type: string}} FileRef a file, as /view takes it
 * @typedef {{id: number, jpeg: ?string, file: ?FileRef, url?: string}} Picture a particle's image.
 *   jpeg: small, in base64; url: of a dropped file, valid while the page is open
 * @typedef {{id?: number, reward: ?number, jpeg: ?string, file: ?FileRef}} Plain the plain sampler's
 *   score and image of the same seed; without the image if both are null. id: its row, if it has one
 * @typedef {{step: number, tries: number, base: number, rolled: number}} Share of the budget.
 *   tries: particles tried at the step; base: quota of its paths, or 0; rolled: rolled over to it
 * @typedef {{name: string, where: string, state: string, nfe: number, rate: ?number, why: string}}
 *   Worker state: starts, ready, lost, refused or ended; rate: evaluations a second
 * @typedef {{discarded: number, each: Worker[]}} Workers discarded: evaluations for nothing
 * @typedef {{method: string, sigmas: number[], budget: number, spent: number, rows: Row[],
 *   places: Map<number, number>, pictures: Map<number, Picture>, stopped: ?string,
 *   shares: ?Share[], maximum: ?number, best: ?number, start: ?number, why: ?string,
 *   top: number[], plain: ?Plain, seconds: number, limit: ?number, workers: ?Workers,
 *   first: ?{spent: number, seconds: number}}} Search
 *   places: index in rows by id; why: what automatic settings came to, in one sentence;
 *   shares: saved ones, if rows were left out; maximum: highest reward or null;
 *   best: id of the result, null before the end; start: id of the start of the result;
 *   top: ids of all results, best first; seconds: so far; limit: of seconds, or null; first: the first message after an evaluation
 * @typedef {{node: string, prompt: ?string, workflow: ?string}} Run
 * @typedef {{run: Run, running: boolean, current: number, images: number, searches: Search[],
 *   ended: ?string, error: ?string, saved: FileRef[], lost: boolean, report: ?string}} Model
 *   images: in the batch; ended: why a run without a report ended; saved: unfinished images;
 *   lost: no connection; report: the JSON that a replay of it takes, if the page has it
 * @typedef {{version: number, node_id: string, prompt_id?: ?string, workflow?: ?string,
 *   kind: string, image?: number, images?: number, rows: Row[], spent: number, budget: number,
 *   seconds: number, limit?: number, method?: string, sigmas?: number[], maximum?: ?number, stopped?: string, best?: number,
 *   start?: number, top?: number[], plain?: Plain, chosen?: {why: string}, pictures?: Picture[],
 *   saved?: FileRef[], workers?: Workers}} Message
 */

/** @returns {Search} */
export function emptySearch(
  budget = 0,
  method = "",
  sigmas = /** @type {number[]} */ ([]),
  maximum = /** @type {?number} */ (null),
) {
  return {
    method,
    sigmas,
    budget,
    spent: 0,
    rows: [],
    places: new Map(),
    pictures: new Map(),
    stopped: null,
    shares: null,
    maximum,
    best: null,
    start: null,
    why: null,
    top: [],
    plain: null,
    seconds: 0,
    limit: null,
    workers: null,
    first: null,
  };
}

/**
 * The rows of a search after a change: new rows at the end, changed rows in their places.
 * @param {Search} search
 * @param {Row[]} changed
 * @returns {Pick<Search, "rows" | "places">}
 */
function mergeRows(search, changed) {
  if (!changed.length) return search;
  const rows = search.rows.slice();
  const places = new Map(search.places);
  for (const row of changed) {
    const place = places.get(row.id) ?? rows.length;
    places.set(row.id, place);
    rows[place] = row;
  }
  return { rows, places };
}

/**
 * @param {Map<number, Picture>} pictures by particle id
 * @param {Picture[]} more
 */
function withPictures(pictures, more) {
  return more.length
    ? new Map([...pictures, ...more.map((p) => /** @type {const} */ ([p.id, p]))])
    : pictures;
}

/**
 * The model after a message. A message of another version changes nothing.
 * @param {?Model} model
 * @param {Message} message
 * @returns {?Model}
 */
export function reduce(model, message) {
  if (message.version !== VERSION) return model;
  const { image = 0, images = 1, kind } = message;
  const run = {
    node: message.node_id,
    prompt: message.prompt_id ?? null,
    workflow: message.workflow ?? null,
  };
  const sameRun = model !== null && model.run.prompt === run.prompt;
  const continues = sameRun && model.running;
  const { saved = [] } = message;
  if (kind === "unfinished" && !continues) return sameRun ? { ...model, saved } : model;
  const restarts = !continues || (kind === "start" && image === 0);
  const searches = restarts ? [] : model.searches.slice();
  while (searches.length <= image) searches.push(emptySearch(message.budget));
  const before =
    kind === "start"
      ? emptySearch(message.budget, message.method, message.sigmas, message.maximum ?? null)
      : searches[image];
  const { spent, seconds } = message;
  searches[image] = {
    ...before,
    ...mergeRows(before, message.rows),
    budget: message.budget,
    spent,
    seconds,
    limit: message.limit ?? before.limit,
    first: before.first ?? (spent > 0 ? { spent, seconds } : null),
    pictures: withPictures(before.pictures, message.pictures ?? []),
    stopped: message.stopped ?? before.stopped,
    best: message.best ?? before.best,
    start: message.start ?? before.start,
    top: message.top ?? before.top,
    plain: message.plain ?? before.plain,
    why: message.chosen?.why ?? before.why,
    workers: message.workers ?? before.workers,
  };
  const running = message.stopped === undefined || image + 1 < images;
  return { ...emptyModel(run), running, current: image, images, searches, saved };
}

/**
 * The model of a finished run. It takes over the images of the previous model of the same run.
 * @param {any} report
 * @param {Run} run
 * @param {?Model} before
 * @param {FileRef[]} files of the results, one per image of the batch
 * @param {?FileRef[]} plains the same of the plain images
 * @returns {Model}
 */
export function fromReport(report, run, before = null, files = [], plains = []) {
  const live = before !== null && before.run.prompt === run.prompt ? before.searches : [];
  const reports = report.batch ?? [report];
  const searches = reports.map((/** @type {any} */ entry, /** @type {number} */ i) => {
    const search = emptySearch(entry.budget.nfe, entry.method, entry.sigmas, entry.maximum ?? null);
    const pictures = live[i]?.pictures ?? new Map();
    const id = entry.best.id;
    const best = files[i] ? [{ id, jpeg: pictures.get(id)?.jpeg ?? null, file: files[i] }] : [];
    return {
      ...search,
      ...mergeRows(search, entry.trace),
      spent: entry.spent.nfe,
      seconds: entry.spent.seconds?.total ?? 0,
      limit: entry.budget.seconds ?? null,
      first: live[i]?.first ?? null,
      pictures: withPictures(pictures, best),
      stopped: entry.stopped,
      best: id,
      start: entry.best.start ?? null,
      top: entry.top.map((/** @type {any} */ row) => row.id),
      plain: entry.plain ? plainOf(entry.plain, plains?.[i], live[i]?.plain) : null,
      why: entry.chosen?.why ?? null,
      workers: workersOf(entry),
    };
  });
  return { ...emptyModel(run), images: reports.length, searches, error: report.error ?? null };
}

/**
 * What the workers of a search did, by its report; null if it had none.
 * @param {any} entry
 * @returns {?Workers}
 */
function workersOf({ devices, spent }) {
  if (!Array.isArray(devices) || !devices.length) return null;
  const each = devices.map(({ device, where = "", nfe, refused = "" }) => {
    const state = refused ? "refused" : "ended";
    return { name: device, where, state, nfe, rate: null, why: refused };
  });
  return { discarded: spent.discarded_nfe ?? 0, each };
}

/**
 * The plain image of a search, from its entry in the report.
 * @param {{id?: number, reward: ?number}} entry
 * @param {?FileRef | undefined} file
 * @param {?Plain | undefined} before of an earlier model of the search
 * @returns {Plain}
 */
function plainOf({ id, reward }, file, before) {
  const scored = id === undefined ? { reward } : { id, reward };
  return withImageOf({ ...scored, jpeg: null, file: file ?? null }, before);
}

/**
 * A plain image with what it lacks of an earlier one.
 * @param {Plain} plain
 * @param {?Plain | undefined} before
 * @returns {Plain}
 */
function withImageOf(plain, before) {
  const { jpeg = null, file = null } = before ?? {};
  return { ...plain, jpeg: plain.jpeg ?? jpeg, file: plain.file ?? file };
}

/**
 * Whether two searches are the same one. Saved rewards have six digits.
 * @param {Search} search
 * @param {Search | undefined} other
 */
function isSame(search, other) {
  const [a, b] = [search.rows.at(-1), other?.rows.at(-1)];
  if (search.spent !== other?.spent || a?.id !== b?.id) return false;
  return Math.abs((a?.reward ?? 0) - (b?.reward ?? 0)) <= 1e-4 * Math.abs(a?.reward ?? 0);
}

/**
 * A restored model with the report of another one, if both are of the same run.
 * @param {Model} model
 * @param {Model} other
 * @returns {Model}
 */
export function withReportOf(model, other) {
  const same = model.searches.length === other.searches.length;
  const { report } = other;
  return same && model.searches.every((search, i) => isSame(search, other.searches[i]))
    ? { ...model, report }
    : model;
}

/**
 * A model with the images of the one before it, for each search that is the same in both. The host
 * sends the report of an unchanged node again with each later run, without images.
 * @param {Model} model
 * @param {?Model} before
 * @returns {Model}
 */
export function withPicturesOf(model, before) {
  const searches = model.searches.map((search, i) => {
    const old = before?.searches[i];
    if (!old || !isSame(search, old)) return search;
    const more = [...search.pictures.values()].map((picture) => ({
      ...picture,
      jpeg: picture.jpeg ?? old.pictures.get(picture.id)?.jpeg ?? null,
    }));
    const plain = search.plain && withImageOf(search.plain, old.plain);
    return { ...search, plain, pictures: withPictures(old.pictures, more) };
  });
  return { ...model, searches };
}
