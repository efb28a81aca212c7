/**
 * The panel of a search inside a subgraph, on the node of the subgraph.
 *
 * Such a node shows only the widgets of its inputs, and the panel is none of them. So the panel is
 * added to what the node's `widgets` returns. In Nodes 2.0, which does not read that, it is put
 * into the body of the node.
 */

const EVERY = 500; // ms: how often Nodes 2.0 may have drawn the body of a node anew

/**
 * The only search inside a subgraph's node, also in subgraphs of it; null if there is none or more.
 * @param {any} node
 * @param {string[]} searches types of search nodes
 * @returns {any}
 */
export function searchInside(node, searches) {
  const found = allInside(node, searches);
  return found.length === 1 ? found[0] : null;
}

/**
 * @param {any} node
 * @param {string[]} searches
 * @returns {any[]}
 */
function allInside({ subgraph }, searches) {
  const nodes = subgraph?.nodes ?? [];
  return nodes.flatMap((/** @type {any} */ node) =>
    searches.includes(node.comfyClass) ? [node] : allInside(node, searches),
  );
}

/**
 * Whether a run may be shown outside: it is a run of a node inside, or was saved with it.
 * @param {any} node of a subgraph
 * @param {?import("./model.js").Model} model
 */
export function isOf(node, model) {
  const around = (model?.run.node ?? "").split(":").slice(0, -1);
  return !around.length || around.includes(String(node.id));
}

/**
 * Add a panel to the node of a subgraph.
 * @param {any} node
 * @param {any} panel
 * @param {{getMinHeight: () => number}} options of a DOM widget
 * @param {any} canvas what shows a graph, and draws nodes or leaves them to Nodes 2.0
 */
export function addOutside(node, panel, options, canvas) {
  const widget = node.addDOMWidget("search_panel", "FLOW_SEARCH_PANEL", panel, options);
  widget.serialize = false;
  const { get } = Object.getOwnPropertyDescriptor(node, "widgets") ?? {};
  if (get) {
    const widgets = () => [...get.call(node), widget];
    const property = { get: widgets, set() {}, configurable: true, enumerable: true };
    Object.defineProperty(node, "widgets", property);
  }
  const place = holder();
  const timer = setInterval(() => {
    if (!canvas.vueNodes() || canvas.graph() !== node.graph) return;
    const body = document.querySelector(`[data-testid="node-body-${node.id}"]`);
    place.style.minHeight = `${options.getMinHeight()}px`;
    if (body && !body.contains(panel)) {
      place.replaceChildren(panel);
      body.append(place);
    }
  }, EVERY);
  const { onRemoved } = node;
  node.onRemoved = function (/** @type {any[]} */ ...args) {
    clearInterval(timer);
    return onRemoved?.apply(this, args);
  };
}

/** What holds the panel in Nodes 2.0, as its own widgets do: presses do not move the node. */
function holder() {
  const place = document.createElement("div");
  Object.assign(place.style, { flex: "1 1 auto", display: "flex", padding: "0 8px" });
  for (const type of ["pointerdown", "pointermove", "pointerup"]) {
    place.addEventListener(type, (event) => event.stopPropagation());
  }
  return place;
}
