/**
 * The groups of the Reward Model Loader's menu: each entry has the name of its group, and a sentence
 * below the menu says what the chosen group is for.
 */

import { after } from "./effort.js";
import { grow } from "./size.js";

/** @typedef {{name: string, about: string, rewards: string[]}} Group as the server describes it */
/** @typedef {Record<string, string[]>} Translated name and sentence by the server's name */

const CHOICE = "reward";
const [LINES, MARGIN] = [30, 4]; // the height of two lines, and what the host leaves around them
const STYLE = "font: 11px/1.35 system-ui, sans-serif; color: var(--descrip-text, #999); padding: 0 6px; overflow: hidden;";

/**
 * The groups in a node's definition; none if the server is older.
 * @param {any} node
 * @returns {Group[]}
 */
const groupsOf = (node) => node.constructor.nodeData?.inputs?.[CHOICE]?.groups ?? [];

/**
 * Name and sentence of the group that a reward belongs to; null if it has none.
 * @param {Group[]} groups
 * @param {?string} reward
 * @param {Translated} translated
 * @returns {?string[]}
 */
export function groupOf(groups, reward, translated) {
  const group = groups.find(({ rewards }) => rewards.includes(String(reward)));
  return group ? (translated[group.name] ?? [group.name, group.about]) : null;
}

/**
 * What the menu shows for a reward: "counts: object_count".
 * @param {Group[]} groups
 * @param {?string} reward
 * @param {Translated} translated
 */
export function labelOf(groups, reward, translated) {
  const [name] = groupOf(groups, reward, translated) ?? [];
  return name ? `${name}: ${reward}` : (reward ?? "");
}

/**
 * Show the groups on a loader.
 * @param {any} node
 * @param {Translated} translated
 */
export function showGroups(node, translated) {
  const groups = groupsOf(node);
  const widget = node.widgets?.find((/** @type {any} */ { name }) => name === CHOICE);
  if (!widget || !groups.length) return;
  widget.options.getOptionLabel = (/** @type {?string} */ reward) => labelOf(groups, reward, translated);
  const box = document.createElement("div");
  box.style.cssText = STYLE;
  const height = () => LINES + 2 * MARGIN;
  const room = { margin: MARGIN, getMinHeight: height, getMaxHeight: height };
  const options = { serialize: false, hideInPanel: true, ...room };
  node.addDOMWidget("group", "FLOW_SEARCH_GROUP", box, options).serialize = false;
  const draw = () => {
    [, box.textContent] = groupOf(groups, widget.value, translated) ?? ["", ""];
    box.title = box.textContent ?? "";
  };
  after(widget, "callback", draw);
  after(node, "onConfigure", draw);
  draw();
  grow(node); // in a narrower node the sentences have three lines
}
