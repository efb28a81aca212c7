/**
 * What is known of a search: a pure reducer of its events and its report to one model. No DOM.
 *
 * A model is the run of one node, with one search for each image of its batch. Models are never
 * changed: each step gives a new one.
 */

import { emptyModel, ended, ENDS, sentence } from "./ends.js";
import { over, workflowOf } from "./queue.js";

export const VERSION = 1;

/**
 * @typedef {{id: number, parent: ?number, path: number, step: number, t: number, kind: string,
 *   reward: ?number, accepted: boolean, nfe: number, quota?: number, watchdog?: ?number,
 *   failed?: string}} Row one scored particle, as in the report's trace
 * @typedef {{filename: string, subfolder: string, type: string}} FileRef what /view takes
 * @typedef {{id: number, jpeg: ?string, file: ?FileRef, url?: string}} Picture jpeg: small, in
 *   base64; url: of a file that was dropped, as long as the page is open
 * @typedef {{step: number, tries: number, base: number, rolled: number}} Share of the budget:
 *   particles tried at a step, the quota of its paths (0: without), and what was handed on to it
 * @typedef {{method: string, sigmas: number[], budget: number, spent: number, rows: Row[],
 *   places: Map<number, number>, pictures: Map<number, Picture>, stopped: ?string,
 *   shares: ?Share[], maximum: ?number, best: ?number, start: ?number}} Search places: of ids in
 *   rows; shares: told, where rows are left out; maximum: of the reward, where it has one; best: id
 *   of the result, once it is known; start: the start that it descends from
 * @typedef {{node: string, prompt: ?string, workflow: ?string}} Run
 * @typedef {{run: Run, running: boolean, current: number, images: number, searches: Search[],
 *   ended: ?string, error: ?string, saved: FileRef[], lost: boolean}} Model images: of the batch;
 *   ended: why, if without a report; saved: unfinished pictures; lost: the connection
 * @typedef {{version: number, node_id: string, prompt_id?: ?string, workflow?: ?string,
 *   kind: string, image?: number, images?: number, rows: Row[], spent: number, budget: number,
 *   method?: string, sigmas?: number[], maximum?: ?number, stopped?: string, best?: number,
 *   start?: number, pictures?: Picture[],
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
  };
}

/**
 * Rows with new ones behind and known ones replaced.
 * @param {Search} search
 * @param {Row[]} changed
 * @returns {Pick<Search, "rows" | "places">}
 */
function merged(search, changed) {
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
 * @param {Map<number, Picture>} known
 * @param {Picture[]} more
 */
function withPictures(known, more) {
  return more.length
    ? new Map([...known, ...more.map((p) => /** @type {const} */ ([p.id, p]))])
    : known;
}

/**
 * The model after a message; one of an unknown version changes nothing.
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
  const same = model !== null && model.run.prompt === run.prompt;
  const goesOn = same && model.running;
  const { saved = [] } = message;
  if (kind === "unfinished" && !goesOn) return same ? { ...model, saved } : model;
  const anew = !goesOn || (kind === "start" && image === 0);
  const searches = anew ? [] : model.searches.slice();
  while (searches.length <= image) searches.push(emptySearch(message.budget));
  const before =
    kind === "start"
      ? emptySearch(message.budget, message.method, message.sigmas, message.maximum ?? null)
      : searches[image];
  searches[image] = {
    ...before,
    ...merged(before, message.rows),
    budget: message.budget,
    spent: message.spent,
    pictures: withPictures(before.pictures, message.pictures ?? []),
    stopped: message.stopped ?? before.stopped,
    best: message.best ?? before.best,
    start: message.start ?? before.start,
  };
  const running = message.stopped === undefined || image + 1 < images;
  return { ...emptyModel(run), running, current: image, images, searches, saved };
}

/**
 * The model of a finished run. Pictures come from the model before, if it was of the same run.
 * @param {any} report
 * @param {Run} run
 * @param {?Model} before
 * @param {FileRef[]} files of the winners, one for each image
 * @returns {Model}
 */
export function fromReport(report, run, before = null, files = []) {
  const known = before !== null && before.run.prompt === run.prompt ? before.searches : [];
  const reports = report.batch ?? [report];
  const searches = reports.map((/** @type {any} */ one, /** @type {number} */ i) => {
    const search = emptySearch(one.budget.nfe, one.method, one.sigmas, one.maximum ?? null);
    const seen = known[i]?.pictures ?? new Map();
    const id = one.best.id;
    const best = files[i] ? [{ id, jpeg: seen.get(id)?.jpeg ?? null, file: files[i] }] : [];
    return {
      ...search,
      ...merged(search, one.trace),
      spent: one.spent.nfe,
      pictures: withPictures(seen, best),
      stopped: one.stopped,
      best: id,
      start: one.best.start ?? null,
    };
  });
  return { ...emptyModel(run), images: reports.length, searches, error: report.error ?? null };
}

/**
 * A model with the pictures of one shown before, where both tell of the same search: the host sends
 * the report of an unchanged node again with each later run.
 * @param {Model} model
 * @param {?Model} shown
 * @returns {Model}
 */
export function carried(model, shown) {
  const searches = model.searches.map((search, i) => {
    const old = shown?.searches[i];
    const [a, b] = [search.rows.at(-1), old?.rows.at(-1)];
    const near = (a?.reward ?? 0) - (b?.reward ?? 0); // what is saved has six digits
    const same = old && search.spent === old.spent && a?.id === b?.id;
    if (!same || Math.abs(near) > 1e-4 * Math.abs(a?.reward ?? 0)) return search;
    const more = [...search.pictures.values()].map((picture) => ({
      ...picture,
      jpeg: picture.jpeg ?? old.pictures.get(picture.id)?.jpeg ?? null,
    }));
    return { ...search, pictures: withPictures(old.pictures, more) };
  });
  return { ...model, searches };
}

/**
 * The sole listener: hears a run through `source` (ComfyUI's api, or any EventTarget), keeps the
 * newest model of each node, and tells `tell` of each new one. `types` are those of search nodes.
 */
export class Store {
  /**
   * @param {EventTarget} source
   * @param {(model: Model) => void} tell
   * @param {import("./queue.js").Ask} ask
   * @param {string[]} types
   */
  constructor(source, tell, ask = async () => null, types = []) {
    /** @type {Map<string, Model>} */
    this.models = new Map();
    this.tell = tell;
    this.ask = ask;
    this.types = types;
    /** @type {Set<string>} prompts of this page: a cancel is told to all pages */
    this.prompts = new Set();
    this.unsettled = false; // runs may have ended unheard
    const hear = (/** @type {string} */ type, /** @type {(detail: any) => void} */ then) =>
      source.addEventListener(type, (event) => then(/** @type {CustomEvent} */ (event).detail));
    hear("flow_search.event", (message) => this.hear(message));
    hear("executed", (detail) => this.finish(detail));
    for (const [type, why] of Object.entries(ENDS)) {
      hear(type, (detail) => this.end(detail ?? {}, why));
    }
    hear("execution_start", (detail) => this.prompts.add(detail.prompt_id));
    hear("reconnecting", () => this.connect(true));
    hear("reconnected", () => this.settle());
    hear("status", () => this.unsettled && this.settle());
  }

  /** @param {Run} run */
  static key(run) {
    return `${run.workflow ?? ""} ${run.node}`;
  }

  /** @param {Model} model */
  keep(model) {
    this.models.set(Store.key(model.run), model);
    this.tell(model);
  }

  /** @param {Message} message */
  hear(message) {
    const run = { node: message.node_id, prompt: null, workflow: message.workflow ?? null };
    const model = reduce(this.models.get(Store.key(run)) ?? null, message);
    if (model !== null) this.keep(model);
  }

  /**
   * Of a node that ran once for each entry of a list the host joins the outputs: the last is shown,
   * as live. In a loop `node` is one made for the turn.
   * @param {any} detail of an `executed` event
   */
  finish({ node: own, display_node: node = own, prompt_id: prompt, output }) {
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
   * Keep what the host sent again, of a workflow that its prompt knows, but for a newer run.
   * @param {Model} model
   */
  async keepAgain(model) {
    const workflow = await workflowOf(this.ask, model.run.prompt ?? "");
    const run = { ...model.run, workflow };
    if (!this.models.get(Store.key(run))?.running) this.keep({ ...model, run });
  }

  /**
   * End what runs of a prompt. An error of a search that has not begun is told on its node, and one
   * after its last message, too.
   * @param {any} detail of the event: `node_id` and `node_type` are of the node that ended it
   * @param {string} why
   */
  end({ prompt_id: prompt = null, node_id: node = null, node_type: type, ...more }, why) {
    const ours = this.types.includes(type);
    const error = ours && why === "error" ? sentence(more) : null;
    const models = [...this.models.values()].filter(({ run }) => run.prompt === prompt);
    const own = ours ? models.filter(({ run }) => run.node === String(node)) : [];
    const over = new Set([...models.filter((model) => model.running), ...own]);
    for (const model of over) this.keep(ended(model, why, error));
    if (!ours || over.size || !(why === "error" || this.prompts.has(prompt))) return;
    const run = { node: String(node), prompt, workflow: null };
    this.keepAgain(ended(emptyModel(run), why, error));
  }

  /** @param {boolean} lost the connection to the server: what runs may have ended */
  connect(lost) {
    for (const model of this.models.values()) {
      if (model.running && model.lost !== lost) this.keep({ ...model, lost });
    }
  }

  /** End the runs that ended unheard, as the history tells; ask again about those still queued. */
  async settle() {
    const running = [...this.models.values()].filter((model) => model.running);
    const prompts = [...new Set(running.flatMap(({ run }) => run.prompt ?? []))];
    const ends = prompts.length ? await over(this.ask, prompts) : [];
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
