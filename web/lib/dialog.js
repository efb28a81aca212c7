/** The dialog of the panel that shows one image at full size. Knows nothing of the host. */

import { lineage, nearest } from "./derive.js";
import { source } from "./element.js";
import { describe } from "./texts.js";

/** @typedef {import("./model.js").Picture} Picture @typedef {import("./model.js").Search} Search */
/** @typedef {(file: import("./model.js").FileRef) => string} Href */

export const DIALOG = `<dialog aria-labelledby="caption">
    <img alt="">
    <footer><span id="caption"></span><a target="_blank" rel="noopener"></a><button type="button"></button></footer>
  </dialog>`;

/** @param {any} dialog */
export function wireDialog(dialog) {
  dialog.querySelector("button").addEventListener("click", () => dialog.close());
  dialog.addEventListener(
    "click",
    (/** @type {Event} */ event) => event.target === dialog && dialog.close(),
  );
  dialog.addEventListener("keydown", (/** @type {Event} */ event) => event.stopPropagation());
}

/**
 * Load an image at full size, or its small version if the file is gone from the temp folder.
 * @param {HTMLImageElement} image
 * @param {Picture} picture
 * @param {Href} href
 * @param {() => void} [gone] called if the file is gone
 */
export function fill(image, picture, href, gone) {
  const small = source({ ...picture, file: null }, href);
  image.onerror = () => {
    image.onerror = null;
    image.src = small;
    gone?.();
  };
  image.src = large(picture, href) || small;
}

/** @param {Picture} picture @param {Href} href @returns {string} address of the full size */
const large = ({ url, file }, href) => url ?? (file ? href(file) : "");

/**
 * Open the image of a particle, or of its nearest ancestor with one.
 * @param {any} dialog
 * @param {Search} search
 * @param {number} id
 * @param {import("./texts.js").Texts} words
 * @param {Href} href
 */
export function openPicture(dialog, search, id, words, href) {
  const line = lineage(search, id);
  const row = line.at(-1);
  if (!row) return;
  const picture = nearest(search, row.id);
  const [image, caption, link] = ["img", "span", "a"].map((tag) => dialog.querySelector(tag));
  const parts = [describe(row, line, words)];
  if (picture?.id !== row.id) parts.push(words.notKept);
  if (picture && picture.id !== row.id) parts.push(`${words.instead} ${picture.id}`);
  caption.textContent = image.alt = parts.join(". ");
  image.hidden = !picture;
  link.hidden = !picture || !large(picture, href);
  if (picture) fill(image, picture, href, () => (link.hidden = true));
  link.href = picture ? large(picture, href) : "";
  link.textContent = words.newTab;
  dialog.querySelector("button").textContent = words.close;
  dialog.showModal();
}
