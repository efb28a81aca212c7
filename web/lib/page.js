/** What the page of ComfyUI has: nodes by execution id, and a state that Undo goes back to. */

/**
 * The node with an execution id: "12", or "22:9" for node 9 inside subgraph node 22.
 * @param {any} root the outermost graph
 * @param {string} id
 * @returns {any} null if there is none
 */
export function nodeOf(root, id) {
  let graph = root;
  let node = null;
  for (const part of id.split(":")) {
    node = graph?.getNodeById(Number.isNaN(Number(part)) ? part : Number(part)) ?? null;
    graph = node?.subgraph;
  }
  return node;
}

/**
 * Keep the graph's state, as after a change by the user.
 * @param {any} app
 */
export function capture(app) {
  const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
  (tracker?.captureCanvasState ?? tracker?.checkState)?.call(tracker); // new and old front-ends
}
