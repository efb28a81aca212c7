/** The input `replay` of a search node, which the panel's button fills and empties. No DOM. */

import { after } from "./effort.js";

const INPUT = "replay";

/**
 * The widget of the input; null if the node has none, or if a link gives the value.
 * @param {any} node
 * @returns {any}
 */
function widgetOf(node) {
  const socket = node.inputs?.find((/** @type {any} */ input) => input.name === INPUT);
  if (socket?.link != null) return null;
  return node.widgets?.find((/** @type {any} */ widget) => widget.name === INPUT) ?? null;
}

/**
 * The text in the input; null if it cannot be filled.
 * @param {any} node
 * @returns {?string}
 */
export const replayOf = (node) => widgetOf(node)?.value ?? null;

/**
 * Fill the input with a report, or empty it if it is filled.
 * @param {any} node
 * @param {?string} report
 */
export function toggleReplay(node, report) {
  const widget = widgetOf(node);
  if (!widget) return;
  widget.value = widget.value ? "" : (report ?? "");
  widget.callback?.(widget.value);
}

/**
 * Call a function after each change of the input by the user.
 * @param {any} node
 * @param {() => void} then
 */
export function watchReplay(node, then) {
  const widget = node.widgets?.find((/** @type {any} */ widget) => widget.name === INPUT);
  if (widget) after(widget, "callback", then);
}
