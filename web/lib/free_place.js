/** Finds a place for a node where it covers no other one. No DOM. */

const [TITLE, GAP] = [30, 40]; // px: height of a node's title, which is above its place; a distance

/**
 * The place itself if it is free; else the nearest free one beside or below other nodes.
 * @param {number[]} place x and y
 * @param {number[]} size width and height of the node
 * @param {{pos: ArrayLike<number>, size: ArrayLike<number>}[]} others
 * @returns {number[]} x and y
 */
export function freePlace(place, [width, height], others) {
  const isFree = (/** @type {number[]} */ [x, y]) =>
    others.every(
      ({ pos, size }) =>
        x >= pos[0] + size[0] || x + width <= pos[0] ||
        y - TITLE >= pos[1] + size[1] || y + height <= pos[1] - TITLE,
    );
  const right = others.map(({ pos, size }) => pos[0] + size[0] + GAP);
  const below = others.map(({ pos, size }) => pos[1] + size[1] + TITLE + GAP);
  const places = [place[0], ...right].flatMap((x) => [place[1], ...below].map((y) => [x, y]));
  const far = (/** @type {number[]} */ [x, y]) => Math.hypot(x - place[0], y - place[1]);
  return places.filter(isFree).sort((a, b) => far(a) - far(b))[0];
}
