/** Listens to ComfyUI's events and keeps the newest model of each node. No DOM. */

import { fromReport, reduce } from "./model.js";
import { dependants, endedPrompts, promptOf } from "./queue.js";
import { replayText } from "./replay_report.js";
import { emptyModel, endModel, ENDS, errorText } from "./run_end.js";

/** @typedef {import("./model.js").Model} Model @typedef {import("./model.js").Run} Run */
/** @typedef {import("./model.js").Message} Message */

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
    const before =
      [...this.models.values()].find((m) => m.run.node === node && m.run.prompt === prompt) ?? null;
    const report = JSON.parse(text);
    const count = (report.batch ?? [report]).length;
    const [images, plains] = [output.flow_search_images, output.flow_search_plain].map((files) =>
      files?.slice(-count),
    );
    const run = before?.run ?? { node: String(node), prompt, workflow: null };
    const model = fromReport(report, run, before, images, plains);
    model.report = replayText(report, text);
    if (before) this.keep(model);
    else this.keepAgain(model);
  }

  /**
   * Keep a model that the host sent again, with the workflow of its prompt, unless a newer run is
   * on.
   * @param {Model} model
   */
  async keepAgain(model) {
    const { workflow } = await promptOf(this.ask, model.run.prompt ?? "");
    const run = { ...model.run, workflow };
    if (!this.models.get(Store.key(run))?.running) this.keep({ ...model, run });
  }

  /**
   * End the runs of a prompt. An error shows on its search node even before the first message of
   * the search and after its last. An error of another node shows on the searches that take
   * something from it, in place of the error of an earlier run.
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
    if (affected.size || !(why === "error" || this.prompts.has(prompt))) return;
    const run = { node: String(node), prompt, workflow: null };
    if (isSearch) this.keepAgain(endModel(emptyModel(run), why, error));
    else if (why === "error") this.endDependants(run, errorText(more) ?? type);
  }

  /**
   * Another node failed: show its name and its error on the searches that need it.
   * @param {Run} run of that node
   * @param {string} error
   */
  async endDependants({ node, prompt }, error) {
    const { graph, workflow } = await promptOf(this.ask, prompt ?? "");
    const { class_type: type, _meta: meta } = graph[node] ?? {};
    const text = `${meta?.title ?? type}: ${error}`;
    for (const id of dependants(graph, node)) {
      if (!this.types.includes(graph[id].class_type)) continue;
      this.keep(endModel(emptyModel({ node: id, prompt, workflow }), "error", text));
    }
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
