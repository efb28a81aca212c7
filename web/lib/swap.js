/** Puts a node in the place of another one, and keeps the links and values that both have. */

/**
 * Replace a node.
 * @param {any} old a node on a graph
 * @param {any} fresh its replacement, on no graph yet
 */
export function swap(old, fresh) {
  const { graph } = old;
  graph.beforeChange?.();
  fresh.pos = [...old.pos];
  fresh.mode = old.mode;
  graph.add(fresh);
  for (const widget of old.widgets ?? []) copyValue(widget, fresh);
  for (const { name, link } of old.inputs ?? []) {
    const slot = slotOf(fresh.inputs, name);
    if (link != null && slot >= 0) connectInput(graph, linkOf(graph, link), fresh, slot);
  }
  const count = Math.min(old.outputs?.length ?? 0, fresh.outputs?.length ?? 0);
  for (let slot = 0; slot < count; slot++) {
    if (old.outputs[slot].type !== fresh.outputs[slot].type) continue;
    for (const link of [...(old.outputs[slot].links ?? [])])
      connectOutput(graph, linkOf(graph, link), fresh, slot);
  }
  graph.remove(old);
  graph.afterChange?.();
}

/** @param {any[]} slots @param {string} name */
const slotOf = (slots, name) => (slots ?? []).findIndex((slot) => slot.name === name);

/** @param {any} graph @param {any} id */
const linkOf = (graph, id) => graph.getLink?.(id) ?? graph.links[id];

/** @param {{name: string, value: any}} widget @param {any} fresh */
function copyValue({ name, value }, fresh) {
  const same = fresh.widgets?.find((/** @type {any} */ widget) => widget.name === name);
  if (!same) return;
  same.value = value;
  same.callback?.(value);
}

/**
 * Link an input to where a link comes from: a node, or the border of a subgraph.
 * @param {any} graph
 * @param {any} link
 * @param {any} fresh
 * @param {number} slot
 */
function connectInput(graph, link, fresh, slot) {
  const origin = graph.getNodeById(link.origin_id);
  if (origin) origin.connect(link.origin_slot, fresh, slot);
  else graph.inputNode?.slots[link.origin_slot]?.connect(fresh.inputs[slot], fresh);
}

/**
 * Link an output to where a link goes.
 * @param {any} graph
 * @param {any} link
 * @param {any} fresh
 * @param {number} slot
 */
function connectOutput(graph, link, fresh, slot) {
  const target = graph.getNodeById(link.target_id);
  if (target) fresh.connect(slot, target, link.target_slot);
  else graph.outputNode?.slots[link.target_slot]?.connect(fresh.outputs[slot], fresh);
}
