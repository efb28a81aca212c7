/** A button on the search nodes that ends a running search early and keeps its best picture. */

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";

const SEARCHES = ["FlowSearchRBF", "FlowSearchParticles"];
const NAME = "Stop now, keep the best";
const TOOLTIP =
  "Ends the running search, finishes the best candidate so far and lets the workflow go on.";

/** What the browser knows of the run in progress: ids of prompt and node, null where none runs. */
const idle = () => ({ /** @type {?string} */ prompt: null, /** @type {?string} */ node: null });

/**
 * The node with an execution id: "12", or "22:9" for node 9 inside subgraph node 22.
 * @param {?string} id
 * @returns {?object}
 */
function nodeOf(id) {
  let graph = app.rootGraph ?? app.graph;
  let node = null;
  for (const part of id === null ? [] : String(id).split(":")) {
    node = graph?.getNodeById(Number.isNaN(Number(part)) ? part : Number(part)) ?? null;
    graph = node?.subgraph;
  }
  return node;
}

/**
 * Ask the server to end the search of a node.
 * @param {{prompt: ?string, node: ?string}} run
 */
async function stop(run) {
  const body = { node_id: String(run.node), ...(run.prompt && { prompt_id: run.prompt }) };
  await api.fetchApi("/flow_search/stop", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** @returns {object} the extension; what runs is known to it alone */
function extension() {
  const run = idle();
  /** @type {WeakMap<object, {disabled: boolean}>} */
  const buttons = new WeakMap();

  /**
   * @param {?string} id of the node that runs now
   */
  function moveTo(id) {
    for (const [node, running] of [[nodeOf(run.node), false], [nodeOf(id), true]]) {
      const button = node && buttons.get(node);
      if (!button) continue;
      button.disabled = !running;
      node.setDirtyCanvas(true);
    }
    run.node = id;
  }

  return {
    name: "FlowSearch.StopNow",
    setup() {
      api.addEventListener("execution_start", ({ detail }) => (run.prompt = detail.prompt_id));
      api.addEventListener("executing", ({ detail }) => moveTo(detail ?? null));
      for (const end of ["execution_success", "execution_error", "execution_interrupted"]) {
        api.addEventListener(end, () => moveTo(null));
      }
    },
    nodeCreated(node) {
      if (!SEARCHES.includes(node.comfyClass)) return;
      const press = () => run.node !== null && nodeOf(run.node) === node && stop(run);
      const button = node.addWidget("button", NAME, null, press, { serialize: false });
      Object.assign(button, { serialize: false, disabled: true, tooltip: TOOLTIP });
      buttons.set(node, button);
    },
  };
}

app.registerExtension(extension());
