/**
 * The models of searches: a pure reducer turns events and reports into one model per node. No DOM.
 *
 * A model is the run of one node, with one search per image of the batch. Models never change: each
 * event gives a new one.
 */

import { emptyModel, endModel, ENDS, errorText } from "./run_end.js";
import { endedPrompts, workflowOf } from "./queue.js";

export const VERSION = 1;

/**
 * @typedef {{id: number, parent: ?number, path: number, step: number, t: number, kind: string,
 *   reward: ?number, accepted: boolean, nfe: number, quota?: number, watchdog?: ?number,
 *   failed?: string}} Row one scored particle, as in the report's trace
 * @typedef {{filename: string, subfolder: string, type: string}} FileRef a file, as /view takes it
 * @typedef {{id: number, jpeg: ?string, file: ?FileRef, url?: string}} Picture a particle's image.
 *   jpeg: small, in base64; url: of a dropped file, valid while the page is open
 * @typedef {{step: number, tries: number, base: number, rolled: number}} Share of the budget.
 *   tries: particles tried at the step; base: quota of its paths, or 0; rolled: rolled over to it
 * @typedef {{method: string, sigmas: number[], budget: number, spent: number, rows: Row[],
 *   places: Map<number, number>, pictures: Map<number, Picture>, stopped: ?string,
 *   shares: ?Share[], maximum: ?number, best: ?number, start: ?number, why: ?string}} Search
 *   places: index in rows by id; why: what automatic settings came to, in one sentence; shares: saved ones, if rows were left out; maximum: highest reward or null;
 *   best: id of the result, null before the end; start: id of the start of the result
 * @typedef {{node: string, prompt: ?string, workflow: ?string}} Run
 * @typedef {{run: Run, running: boolean, current: number, images: number, searches: Search[],
 *   ended: ?string, error: ?string, saved: FileRef[], lost: boolean}} Model images: in the
 *   batch; ended: why a run without a report ended; saved: unfinished images; lost: no connection
 * @typedef {{version: number, node_id: string, prompt_id?: ?string, workflow?: ?string,
 *   kind: string, image?: number, images?: number, rows: Row[], spent: number, budget: number,
 *   method?: string, sigmas?: number[], maximum?: ?number, stopped?: string, best?: number,
 *   start?: number, chosen?: {why: string}, pictures?: Picture[],
 *   saved?: FileRef[]}} Message
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
  searches[image] = {
    ...before,
    ...mergeRows(before, message.rows),
    budget: message.budget,
    spent: message.spent,
    pictures: withPictures(before.pictures, message.pictures ?? []),
    stopped: message.stopped ?? before.stopped,
    best: message.best ?? before.best,
    start: message.start ?? before.start,
    why: message.chosen?.why ?? before.why,
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
 * @returns {Model}
 */
export function fromReport(report, run, before = null, files = []) {
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
      pictures: withPictures(pictures, best),
      stopped: entry.stopped,
      best: id,
      start: entry.best.start ?? null,
      why: entry.chosen?.why ?? null,
    };
  });
  return { ...emptyModel(run), images: reports.length, searches, error: report.error ?? null };
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
    const [a, b] = [search.rows.at(-1), old?.rows.at(-1)];
    const difference = (a?.reward ?? 0) - (b?.reward ?? 0); // saved rewards have six digits
    const same = old && search.spent === old.spent && a?.id === b?.id;
    if (!same || Math.abs(difference) > 1e-4 * Math.abs(a?.reward ?? 0)) return search;
    const more = [...search.pictures.values()].map((picture) => ({
      ...picture,
      jpeg: picture.jpeg ?? old.pictures.get(picture.id)?.jpeg ?? null,
    }));
    return { ...search, pictures: withPictures(old.pictures, more) };
  });
  return { ...model, searches };
}

/**
 * Listens to runs and keeps the newest model of each node. Nothing else reads the pack's events.
 */
export class Store {
  /**
   * @param {EventTarget} source of events: ComfyUI's api
   * @param {(model: Model) => void} update called with each new model
   * @param {import("./queue.js").Ask} ask
   * @param {string[]} types of search nodes
   */
  constructor(source, update, ask = async () => null, types = []) {
    /** @type {Map<string, Model>} */
    this.models = new Map();
    this.update = update;
    this.ask = ask;
    this.types = types;
    /** @type {Set<string>} prompts of this page; the host sends a cancel to all pages */
    this.prompts = new Set();
    this.unsettled = false; // the page may have missed the end of a run
    const listen = (/** @type {string} */ type, /** @type {(detail: any) => void} */ then) =>
      source.addEventListener(type, (event) => then(/** @type {CustomEvent} */ (event).detail));
    listen("flow_search.event", (message) => this.receive(message));
    listen("executed", (detail) => this.finish(detail));
    for (const [type, why] of Object.entries(ENDS)) {
      listen(type, (detail) => this.end(detail ?? {}, why));
    }
    listen("execution_start", (detail) => this.prompts.add(detail.prompt_id));
    listen("reconnecting", () => this.connect(true));
    listen("reconnected", () => this.settle());
    listen("status", () => this.unsettled && this.settle());
  }

  /** @param {Run} run */
  static key(run) {
    return `${run.workflow ?? ""} ${run.node}`;
  }

  /** @param {Model} model */
  keep(model) {
    this.models.set(Store.key(model.run), model);
    this.update(model);
  }

  /** @param {Message} message */
  receive(message) {
    const run = { node: message.node_id, prompt: null, workflow: message.workflow ?? null };
    const model = reduce(this.models.get(Store.key(run)) ?? null, message);
    if (model !== null) this.keep(model);
  }

  /**
   * Show the report of a node that has run. If it ran once per entry of a list, the host joins the
   * outputs and the last one counts. In a loop `node` is a copy of `display_node`.
   * @param {any} detail of an `executed` event
   */
  finish({ node: copy, display_node: node = copy, prompt_id: prompt, output }) {
    const text = output?.flow_search_report?.at(-1);
    if (typeof text !== "string") return;
    const before = [...this.models.values()].find(
      (m) => m.run.node === node && m.run.prompt === prompt,
    );
    const report = JSON.parse(text);
    const images = output.flow_search_images?.slice(-(report.batch ?? [report]).length);
    if (before) this.keep(fromReport(report, before.run, before, images));
    else {
      const run = { node: String(node), prompt, workflow: null };
      this.keepAgain(fromReport(report, run, null, images));
    }
  }

  /**
   * Keep a model that the host sent again, with the workflow of its prompt, unless a newer run is
   * on.
   * @param {Model} model
   */
  async keepAgain(model) {
    const workflow = await workflowOf(this.ask, model.run.prompt ?? "");
    const run = { ...model.run, workflow };
    if (!this.models.get(Store.key(run))?.running) this.keep({ ...model, run });
  }

  /**
   * End the runs of a prompt. An error shows on its search node even before the first message of
   * the search and after its last.
   * @param {any} detail of the event; `node_id` and `node_type` name the node that ended the prompt
   * @param {string} why
   */
  end({ prompt_id: prompt = null, node_id: node = null, node_type: type, ...more }, why) {
    const isSearch = this.types.includes(type);
    const error = isSearch && why === "error" ? errorText(more) : null;
    const models = [...this.models.values()].filter(({ run }) => run.prompt === prompt);
    const ofNode = isSearch ? models.filter(({ run }) => run.node === String(node)) : [];
    const affected = new Set([...models.filter((model) => model.running), ...ofNode]);
    for (const model of affected) this.keep(endModel(model, why, error));
    if (!isSearch || affected.size || !(why === "error" || this.prompts.has(prompt))) return;
    const run = { node: String(node), prompt, workflow: null };
    this.keepAgain(endModel(emptyModel(run), why, error));
  }

  /** @param {boolean} lost whether the connection to the server is lost */
  connect(lost) {
    for (const model of this.models.values()) {
      if (model.running && model.lost !== lost) this.keep({ ...model, lost });
    }
  }

  /** End the runs whose end the page missed, from the history. Queued ones are checked later. */
  async settle() {
    const running = [...this.models.values()].filter((model) => model.running);
    const prompts = [...new Set(running.flatMap(({ run }) => run.prompt ?? []))];
    const ends = prompts.length ? await endedPrompts(this.ask, prompts) : [];
    this.unsettled = (ends?.length ?? 0) < prompts.length;
    for (const { prompt, outputs, messages } of ends ?? []) {
      const nodes = running.filter(({ run }) => run.prompt === prompt).map(({ run }) => run.node);
      for (const output of outputs) if (nodes.includes(output.display_node)) this.finish(output);
      const [kind, detail] = messages.find(([kind]) => kind in ENDS) ?? ["", {}];
      this.end({ ...detail, prompt_id: prompt }, ENDS[kind] ?? "unknown");
    }
    if (ends) this.connect(false);
  }
}
