/** How large a node with a panel is. */

// Minimum heights of the panel: before a run, with an error alone, with a search.
const [EMPTY, NOTE, FULL] = [36, 150, 588];
export const WIDTH = 300;

/** @param {?import("./model.js").Model} model @returns {number} the minimum height of a panel that shows it */
export const heightFor = (model) => (!model ? EMPTY : model.searches.length ? FULL : NOTE);

/**
 * Make a node large enough for its panel.
 * @param {any} node
 */
export function grow(node) {
  const [width, height] = node.computeSize();
  node.setSize([Math.max(node.size[0], width, WIDTH), Math.max(node.size[1], height)]);
  node.setDirtyCanvas?.(true, true);
}

/**
 * Width and height of a node once its panel shows a search.
 * @param {any} node whose panel is empty
 * @returns {[number, number]}
 */
export const roomFor = (node) => [node.size[0], Math.max(node.size[1], node.computeSize()[1] + FULL - EMPTY)];
