/** Puts a node in the place of another one, and keeps the links and values that both have. */

import { freePlace } from "./free_place.js";
import { WIDTH, roomFor } from "./size.js";

/**
 * Replace a node. If the replacement needs a VAE, it is the one that decodes the node's latent. If
 * the replacement would cover other nodes with its panel, it goes to the nearest free place.
 * @param {any} old a node on a graph
 * @param {any} fresh its replacement, on no graph yet
 */
export function swap(old, fresh) {
  const { graph } = old;
  graph.beforeChange?.();
  fresh.setSize([Math.max(old.size[0], WIDTH), fresh.size[1]]);
  const others = graph.nodes.filter((/** @type {any} */ node) => node !== old);
  fresh.pos = freePlace([...old.pos], roomFor(fresh), others);
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
  connectVae(graph, fresh);
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
 * Link the VAE of the node that decodes the latent.
 * @param {any} graph
 * @param {any} fresh
 */
function connectVae(graph, fresh) {
  const slot = slotOf(fresh.inputs, "vae");
  if (slot < 0) return;
  for (const id of fresh.outputs[0]?.links ?? []) {
    const { inputs } = graph.getNodeById(linkOf(graph, id).target_id) ?? {};
    const vae = inputs?.find((/** @type {any} */ input) => input.type === "VAE" && input.link != null);
    if (vae) return connectInput(graph, linkOf(graph, vae.link), fresh, slot);
  }
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
