/** A picture large, in a dialog of the panel. No host knowledge. */

import { lineage, nearest } from "./derive.js";
import { source } from "./element.js";
import { described } from "./texts.js";

/** @typedef {import("./store.js").Picture} Picture @typedef {import("./store.js").Search} Search */
/** @typedef {(file: import("./store.js").FileRef) => string} Href */

export const DIALOG = `<dialog aria-labelledby="told">
    <img alt="">
    <footer><span id="told"></span><a target="_blank" rel="noopener"></a><button type="button"></button></footer>
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
 * The picture at its size, or where that is gone (the temp folder is emptied) its small version.
 * @param {HTMLImageElement} image
 * @param {Picture} picture
 * @param {Href} href
 * @param {() => void} [gone]
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

/** @param {Picture} picture @param {Href} href */
const large = ({ url, file }, href) => url ?? (file ? href(file) : "");

/**
 * Open the picture of a particle, or of its last ancestor with one.
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
  const shown = nearest(search, row.id);
  const [image, caption, link] = ["img", "span", "a"].map((tag) => dialog.querySelector(tag));
  const other = shown ? `${words.notKept}, ${words.instead} ${shown.id}` : words.notKept;
  const told = described(row, line, words);
  caption.textContent = image.alt = shown?.id === row.id ? told : `${told}; ${other}`;
  image.hidden = !shown;
  link.hidden = !shown || !large(shown, href);
  if (shown) fill(image, shown, href, () => (link.hidden = true));
  link.href = shown ? large(shown, href) : "";
  link.textContent = words.newTab;
  dialog.querySelector("button").textContent = words.close;
  dialog.showModal();
}
