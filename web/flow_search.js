/** The panel of the search nodes: connects ComfyUI's nodes and events to lib/. */

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { chartView } from "./lib/chart_view.js";
import { DroppedFile } from "./lib/dropped_file.js";
import { showBudget } from "./lib/effort.js";
import { filmView } from "./lib/film_view.js";
import { showGroups } from "./lib/groups.js";
import { withPicturesOf, withReportOf } from "./lib/model.js";
import { addOutside, isOf, searchInside } from "./lib/outside.js";
import { capture, nodeOf } from "./lib/page.js";
import { panelView } from "./lib/panel_view.js";
import { refusedModel, watchRefusal } from "./lib/refusals.js";
import { replayOf, toggleReplay, watchReplay } from "./lib/replay.js";
import { hasOneImage, pack, restore, withResult } from "./lib/saved_search.js";
import { HOSTS } from "./lib/settings.js";
import { sharesView } from "./lib/shares_view.js";
import { grow, heightFor } from "./lib/size.js";
import { Store } from "./lib/store.js";
import { swap } from "./lib/swap.js";
import { texts } from "./lib/texts.js";
import { setTooltip, withTooltips } from "./lib/tooltips.js";

/** @typedef {import("./lib/model.js").Model} Model @typedef {import("./lib/model.js").FileRef} FileRef */

const PREFIX = "FlowSearch"; // of the ids of our nodes
const SEARCHES = ["FlowSearchRBF", "FlowSearchParticles", "FlowSearchKSampler"];
const LOADER = "FlowSearchRewardLoader";
const [REPLACED, BY] = ["KSampler", "FlowSearchKSampler"]; // same inputs, same first output
const SAVED_KEY = "flow_search"; // in a node of a saved workflow
const ELEMENTS = {
  "flow-search-chart": chartView,
  "flow-search-shares": sharesView,
  "flow-search-film": filmView,
  "flow-search-panel": panelView,
};

/** @returns {any} the outermost graph */
const root = () => app.rootGraph ?? app.graph;

/** @returns {?string} */
const graphId = () => root()?.id ?? null;

/**
 * The server's answer as JSON; null if there is none.
 * @param {string} route
 * @param {RequestInit} [options]
 */
async function ask(route, options) {
  try {
    const answer = await api.fetchApi(route, options);
    return answer.ok ? await answer.json() : null;
  } catch (error) {
    console.warn(`Flow Search: the server did not answer ${route}.`, error);
    return null;
  }
}

/**
 * The server's answer to a POST; null if there is none.
 * @param {string} route
 * @param {object} body
 */
function post(route, body) {
  const headers = { "Content-Type": "application/json" };
  return ask(route, { method: "POST", headers, body: JSON.stringify(body) });
}

/** @returns {ReturnType<typeof texts>} the texts in the user's language */
const words = () => texts(app.ui?.settings?.getSettingValue("Comfy.Locale") ?? "en");

/** @returns {any} the node under the pointer; null in Nodes 2.0 */
const hovered = () => (LiteGraph.vueNodesMode ? null : app.canvas?.node_over);

/** @param {FileRef} file */
const href = (file) => api.apiURL(`/view?${new URLSearchParams({ ...file })}`);

/** What `addOutside` asks of the page. */
const canvas = { vueNodes: () => LiteGraph.vueNodesMode, graph: () => app.canvas?.graph };

/** @returns {object} the extension; its panels and models are private */
function extension() {
  /** @type {WeakMap<object, any>} the panel of each node */
  const panels = new WeakMap();
  /** @type {WeakMap<object, object>} what is saved with a node */
  const saved = new WeakMap();
  /** @type {WeakMap<object, any[]>} nodes of subgraphs that also show the panel of a node */
  const outside = new WeakMap();
  /** @type {Map<string, Model>} the newest models of nodes that are not on the canvas */
  const offCanvas = new Map();
  /**
   * Id of the graph that was open when a prompt began. It stands for a workflow without an id.
   * @type {Map<?string, ?string>}
   */
  const startedIn = new Map();

  /** @param {Model} model @returns {any} its node, if it is on the canvas */
  function shownOn({ run: { workflow, node: id, prompt } }) {
    const isOpen = (workflow ?? startedIn.get(prompt)) === graphId();
    const node = isOpen ? nodeOf(root(), id) : null;
    return node && panels.has(node) ? node : null;
  }

  /**
   * Show a model on its node if the node is on the canvas. After the run, save it with the node.
   * @param {Model} model
   * @param {boolean} captures false while a graph loads: the previous tab may still be active
   */
  function update(model, captures = true) {
    const node = shownOn(model);
    const key = Store.key(model.run);
    if (!node) {
      offCanvas.set(key, model);
      return;
    }
    offCanvas.delete(key);
    const full = model.running ? model : withPicturesOf(model, panels.get(node).model);
    show(node, full);
    if (model.running || !model.searches.length) return; // without a search, keep the saved one
    saved.set(node, pack(full));
    if (captures) capture(app);
  }

  /** @param {Model} model of a node whose search may have been restored without its report */
  function recall(model) {
    const node = shownOn(model);
    const before = node && panels.get(node).model;
    if (before && !before.report) show(node, withReportOf(before, model));
  }

  const store = new Store(api, update, ask, SEARCHES);
  /** @type {?DroppedFile} */
  let droppedFile = null;

  /**
   * @param {any} node
   * @param {?Model} model
   */
  function show(node, model) {
    const panel = panels.get(node);
    const grows = heightFor(model) > heightFor(panel.model);
    panel.words = words();
    panel.model = model;
    if (grows) grow(node);
    for (const outer of outside.get(node) ?? []) if (isOf(outer, model)) show(outer, model);
  }

  /**
   * @param {any} node
   * @param {any} search the search node: `node`, or one inside its subgraph
   */
  function addPanel(node, search = node) {
    const panel = /** @type {any} */ (document.createElement("flow-search-panel"));
    panel.href = href;
    panel.addEventListener("stop", async () => {
      const { node: id, prompt } = panel.model.run;
      if ((await post("/flow_search/stop", { node_id: id, prompt_id: prompt }))?.stopping) return;
      panel.stopFailed();
      store.settle();
    });
    panel.replay = () => replayOf(search);
    panel.addEventListener("replay", () => {
      toggleReplay(search, panel.model?.report ?? null);
      capture(app);
    });
    watchReplay(search, () => panel.redraw());
    const getMinHeight = () => heightFor(panel.model);
    // hideInPanel: else the host also shows it in its side panel and gives it that panel's width.
    const options = { serialize: false, hideOnZoom: false, hideInPanel: true, getMinHeight };
    if (search === node)
      node.addDOMWidget("search_panel", "FLOW_SEARCH_PANEL", panel, options).serialize = false;
    else addOutside(node, panel, options, canvas);
    grow(node);
    panels.set(node, panel);
    panel.words = words();
  }

  /** @param {any} node of a subgraph: it also shows the panel of the search inside */
  function addPanelOutside(node) {
    const search = searchInside(node, SEARCHES);
    if (!panels.has(search)) return;
    addPanel(node, search);
    outside.set(search, [...(outside.get(search) ?? []), node]);
    const { model } = panels.get(search);
    if (model && isOf(node, model)) show(node, model);
  }

  /** @param {any} node */
  function keepSaved(node) {
    const { onSerialize, onConfigure } = node;
    node.onSerialize = function (/** @type {any} */ info) {
      onSerialize?.call(this, info);
      if (saved.has(node)) info[SAVED_KEY] = saved.get(node);
    };
    node.onConfigure = function (/** @type {any} */ info) {
      onConfigure?.call(this, info);
      const model = restore(info[SAVED_KEY], String(node.id));
      if (!model) return;
      saved.set(node, pack(model));
      show(node, model);
      if (hasOneImage(info[SAVED_KEY])) showDropped(node, model, info[SAVED_KEY].report);
    };
  }

  /**
   * Show the dropped image file as the result of the search that was saved in it.
   * @param {any} node
   * @param {Model} model
   * @param {any} report
   */
  async function showDropped(node, model, report) {
    const image = await droppedFile?.imageOf(report);
    if (!image || panels.get(node).model !== model) return;
    const full = withResult(model, image.jpeg, 0, { url: image.url });
    saved.set(node, pack(full));
    show(node, full);
  }

  /** @param {Record<string, any>} errors of a prompt that was not queued, by node id */
  function refuse(errors) {
    for (const [id, error] of Object.entries(errors)) {
      const node = nodeOf(root(), id);
      const run = { node: id, prompt: "", workflow: graphId() };
      if (node && panels.has(node)) show(node, refusedModel(run, error));
    }
  }

  /**
   * Keep the host from drawing its preview of a search: the panel shows the same image.
   * @param {any} event its prompt is `jobId`, or `promptId` in older front-ends
   */
  function hidePreview(event) {
    const { displayNodeId: node, jobId, promptId = jobId } = event.detail;
    const isShown = (/** @type {Model} */ { run }) => run.node === node && run.prompt === promptId;
    if ([...store.models.values()].some(isShown)) event.stopImmediatePropagation();
  }

  // Here and not in setup(): the host loads all extensions before it adds its own listener.
  api.addEventListener("b_preview_with_metadata", hidePreview);

  return {
    name: "FlowSearch.Panel",
    settings: [HOSTS],
    init() {
      droppedFile = new DroppedFile(window);
      for (const [name, make] of Object.entries(ELEMENTS)) {
        if (!customElements.get(name)) customElements.define(name, make());
      }
    },
    setup() {
      api.addEventListener("execution_start", (event) => {
        const { prompt_id: prompt } = /** @type {CustomEvent} */ (event).detail;
        startedIn.set(prompt, graphId());
      });
      api.addEventListener("promptQueueing", () => watchRefusal(() => app.lastNodeErrors, refuse));
    },
    beforeRegisterVueAppNodeDefs(/** @type {any[]} */ defs) {
      defs.forEach((def, i) => {
        const registered = LiteGraph.registered_node_types[def.name]?.nodeData;
        if (def.name.startsWith(PREFIX) && registered)
          defs[i] = withTooltips(def, registered.constructor, hovered);
      });
    },
    nodeCreated(/** @type {any} */ node) {
      if (node.subgraph) addPanelOutside(node);
      if (!node.comfyClass?.startsWith(PREFIX)) return;
      for (const input of node.inputs ?? []) setTooltip(node, input);
      const { onInputAdded } = node;
      node.onInputAdded = function (/** @type {any} */ input) {
        onInputAdded?.call(this, input);
        setTooltip(node, input);
      };
      if (node.comfyClass === LOADER) showGroups(node, words().groups);
      if (!SEARCHES.includes(node.comfyClass)) return;
      showBudget(node, words());
      addPanel(node);
      keepSaved(node);
    },
    getNodeMenuItems(/** @type {any} */ node) {
      if (node.comfyClass !== REPLACED) return [];
      return [{ content: words().swap, callback: () => swap(node, LiteGraph.createNode(BY)) }];
    },
    afterConfigureGraph() {
      for (const model of [...store.models.values()]) {
        if (model.running) update(model);
        else if (model.report) recall(model);
      }
      for (const model of [...offCanvas.values()]) update(model, false);
    },
  };
}

app.registerExtension(extension());
