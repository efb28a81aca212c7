/** The panel of the search nodes: joins ComfyUI's nodes and events to lib/, which knows neither. */

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { chartView } from "./lib/chart_view.js";
import { Dropped } from "./lib/dropped.js";
import { filmView } from "./lib/film_view.js";
import { panelView } from "./lib/panel_view.js";
import { ofOnePicture, pack, unpack, withResult } from "./lib/saved.js";
import { sharesView } from "./lib/shares_view.js";
import { carried, Store } from "./lib/store.js";
import { texts } from "./lib/texts.js";
import { explain, withTips } from "./lib/tips.js";

/** @typedef {import("./lib/store.js").Model} Model @typedef {import("./lib/store.js").FileRef} FileRef */

const OURS = "FlowSearch"; // how the ids of our nodes begin
const SEARCHES = ["FlowSearchRBF", "FlowSearchParticles"];
const SAVED = "flow_search"; // the key in a saved node
const [CLOSED, NOTED, OPEN] = [36, 120, 520]; // least heights: before a run, of an error, of a search
const WIDTH = 300;
const ELEMENTS = {
  "flow-search-chart": chartView,
  "flow-search-shares": sharesView,
  "flow-search-film": filmView,
  "flow-search-panel": panelView,
};

/** Hosts that images may be sent to: nodes/host/http_hosts.py reads it, a workflow cannot change it. */
const HOSTS = {
  id: "FlowSearch.HTTPHosts",
  category: ["Flow Search", "Servers", "HTTPHosts"],
  name: "Servers that may get images",
  tooltip:
    "vqascore_http sends images to this computer, and to the hosts here: gpu-box, 192.168.1.5:8000. Separate them by commas.",
  type: "text",
  defaultValue: "",
};

/** @returns {?string} */
const graphId = () => (app.rootGraph ?? app.graph)?.id ?? null;

/**
 * The node with an execution id: "12", or "22:9" for node 9 inside subgraph node 22.
 * @param {string} id
 * @returns {?object}
 */
function nodeOf(id) {
  let graph = app.rootGraph ?? app.graph;
  let node = null;
  for (const part of id.split(":")) {
    node = graph?.getNodeById(Number.isNaN(Number(part)) ? part : Number(part)) ?? null;
    graph = node?.subgraph;
  }
  return node;
}

/**
 * The server's answer; null where it gives none.
 * @param {string} route
 * @param {RequestInit} [options]
 */
async function ask(route, options) {
  try {
    const answer = await api.fetchApi(route, options);
    return answer.ok ? await answer.json() : null;
  } catch (error) {
    console.warn(`Flow Search: ${route} was not reached.`, error);
    return null;
  }
}

/**
 * @param {string} route
 * @param {object} body
 */
function post(route, body) {
  const headers = { "Content-Type": "application/json" };
  return ask(route, { method: "POST", headers, body: JSON.stringify(body) });
}

/**
 * The search saved with a workflow; one that cannot be read must not keep the workflow from opening.
 * @param {any} saved
 * @param {string} node
 */
function restored(saved, node) {
  try {
    return unpack(saved, { node, prompt: null, workflow: null });
  } catch (error) {
    console.warn(`Flow Search: the search saved in node ${node} cannot be read.`, error);
    return null;
  }
}

/** @param {?Model} model @returns {number} the least height of a panel that shows it */
const room = (model) => (!model ? CLOSED : model.searches.length ? OPEN : NOTED);

/** @returns {any} the node below the pointer in the classic renderer */
const hovered = () => (LiteGraph.vueNodesMode ? null : app.canvas?.node_over);

/** @param {FileRef} file */
const href = (file) => api.apiURL(`/view?${new URLSearchParams({ ...file })}`);

/**
 * Make room for the panel.
 * @param {any} node
 */
function grow(node) {
  const [width, height] = node.computeSize();
  node.setSize([Math.max(node.size[0], width, WIDTH), Math.max(node.size[1], height)]);
  node.setDirtyCanvas?.(true, true);
}

/** @returns {object} the extension; panels and models are known to it alone */
function extension() {
  /** @type {WeakMap<object, any>} */
  const panels = new WeakMap();
  /** @type {WeakMap<object, object>} what is saved with a node */
  const saved = new WeakMap();
  /** @type {Map<string, Model>} the newest of nodes that are not on the canvas: another tab's */
  const unseen = new Map();
  /**
   * The graph that was open when a prompt of this page began: its own, if it names no workflow.
   * @type {Map<?string, ?string>}
   */
  const started = new Map();

  /**
   * Show a model on its node, if that is on the canvas now; when the run has ended, keep it there.
   * @param {Model} model
   * @param {boolean} capture false while a graph loads: the open tab may still be another one
   */
  function tell(model, capture = true) {
    const { workflow, node: id, prompt } = model.run;
    const ours = (workflow ?? started.get(prompt)) === graphId();
    const node = ours ? nodeOf(id) : null;
    const key = Store.key(model.run);
    if (!node || !panels.has(node)) {
      unseen.set(key, model);
      return;
    }
    unseen.delete(key);
    const full = model.running ? model : carried(model, panels.get(node).model);
    show(node, full);
    if (model.running || !model.searches.length) return; // an error before a search leaves the last
    saved.set(node, pack(full));
    if (!capture) return;
    const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
    (tracker?.captureCanvasState ?? tracker?.checkState)?.call(tracker); // by age of the front-end
  }

  const store = new Store(api, tell, ask, SEARCHES);
  /** @type {?Dropped} */
  let dropped = null;

  /**
   * @param {any} node
   * @param {?Model} model
   */
  function show(node, model) {
    const panel = panels.get(node);
    const grows = room(model) > room(panel.model);
    panel.words = texts(app.ui?.settings?.getSettingValue("Comfy.Locale") ?? "en");
    panel.model = model;
    if (grows) grow(node);
  }

  /** @param {any} node */
  function addPanel(node) {
    const panel = /** @type {any} */ (document.createElement("flow-search-panel"));
    panel.href = href;
    panel.addEventListener("stop", async () => {
      const { node: id, prompt } = panel.model.run;
      if ((await post("/flow_search/stop", { node_id: id, prompt_id: prompt }))?.stopping) return;
      panel.askAgain();
      store.settle();
    });
    const getMinHeight = () => room(panel.model);
    // hideInPanel: the host would show it beside the canvas as well, and give it that width
    const options = { serialize: false, hideOnZoom: false, hideInPanel: true, getMinHeight };
    node.addDOMWidget("search_panel", "FLOW_SEARCH_PANEL", panel, options).serialize = false;
    grow(node);
    panels.set(node, panel);
    panel.words = texts(app.ui?.settings?.getSettingValue("Comfy.Locale") ?? "en");
  }

  /** @param {any} node */
  function keepSaved(node) {
    const { onSerialize, onConfigure } = node;
    node.onSerialize = function (/** @type {any} */ info) {
      onSerialize?.call(this, info);
      if (saved.has(node)) info[SAVED] = saved.get(node);
    };
    node.onConfigure = function (/** @type {any} */ info) {
      onConfigure?.call(this, info);
      const model = restored(info[SAVED], String(node.id));
      if (!model) return;
      saved.set(node, pack(model));
      show(node, model);
      if (ofOnePicture(info[SAVED])) showDropped(node, model, info[SAVED].report);
    };
  }

  /**
   * Show the file that a search came with: it is the picture.
   * @param {any} node
   * @param {Model} model
   * @param {any} report
   */
  async function showDropped(node, model, report) {
    const found = await dropped?.of(report);
    if (!found || panels.get(node).model !== model) return;
    const full = withResult(model, found.jpeg, 0, { url: found.url });
    saved.set(node, pack(full));
    show(node, full);
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
      dropped = new Dropped(window);
      for (const [name, make] of Object.entries(ELEMENTS)) {
        if (!customElements.get(name)) customElements.define(name, make());
      }
    },
    setup() {
      api.addEventListener("execution_start", (event) => {
        const { prompt_id: prompt } = /** @type {CustomEvent} */ (event).detail;
        started.set(prompt, graphId());
      });
    },
    beforeRegisterVueAppNodeDefs(/** @type {any[]} */ defs) {
      defs.forEach((def, i) => {
        const known = LiteGraph.registered_node_types[def.name]?.nodeData;
        if (def.name.startsWith(OURS) && known) defs[i] = withTips(def, known.constructor, hovered);
      });
    },
    nodeCreated(/** @type {any} */ node) {
      if (!node.comfyClass?.startsWith(OURS)) return;
      for (const input of node.inputs ?? []) explain(node, input);
      const { onInputAdded } = node;
      node.onInputAdded = function (/** @type {any} */ input) {
        onInputAdded?.call(this, input);
        explain(node, input);
      };
      if (!SEARCHES.includes(node.comfyClass)) return;
      addPanel(node);
      keepSaved(node);
    },
    afterConfigureGraph() {
      for (const model of [...store.models.values()].filter((m) => m.running)) tell(model);
      for (const model of [...unseen.values()]) tell(model, false);
    },
  };
}

app.registerExtension(extension());
