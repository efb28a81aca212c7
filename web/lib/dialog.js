/**
 * The dialog of the panel: one image at full size, all results side by side, or the result over the
 * plain image, with a slider. Knows nothing of the host.
 */

import { bestPicture, bestRow, lineage, nearest, plainWon, topPictures } from "./derive.js";
import { source } from "./element.js";
import { describe, figure } from "./texts.js";

/** @typedef {import("./model.js").Picture} Picture @typedef {import("./model.js").Search} Search */
/** @typedef {(file: import("./model.js").FileRef) => string} Href */

export const DIALOG = `<dialog aria-labelledby="caption">
    <img alt=""><ol hidden></ol>
    <div class="compare" hidden><img alt=""><img alt="" class="over"><b></b><b></b>
      <input type="range" min="0" max="100" step="1"></div>
    <footer><span id="caption"></span><a target="_blank" rel="noopener"></a><button type="button"></button></footer>
  </dialog>`;

/** @param {any} dialog */
export function wireDialog(dialog) {
  dialog.querySelector("footer button").addEventListener("click", () => dialog.close());
  dialog.addEventListener(
    "click",
    (/** @type {Event} */ event) => event.target === dialog && dialog.close(),
  );
  const slider = dialog.querySelector("input");
  slider.addEventListener("input", () => cut(dialog, Number(slider.value)));
  dialog.addEventListener("keydown", (/** @type {Event} */ event) => event.stopPropagation());
}

/**
 * Show the plain image left of a place.
 * @param {any} dialog
 * @param {number} place percent of the width
 */
function cut(dialog, place) {
  dialog.querySelector("input").value = String(place);
  dialog.querySelector(".compare").style.setProperty("--cut", `${place}%`);
}

/**
 * Show the dialog, with one of its parts.
 * @param {any} dialog
 * @param {string} text the caption
 * @param {"img" | "ol" | ".compare"} shown
 * @param {import("./texts.js").Texts} words
 */
function open(dialog, text, shown, words) {
  dialog.querySelector("span").textContent = text;
  dialog.querySelector("ol").hidden = shown !== "ol";
  dialog.querySelector(".compare").hidden = shown !== ".compare";
  if (shown !== "img") for (const part of ["img", "a"]) dialog.querySelector(part).hidden = true;
  const close = dialog.querySelector("footer button");
  close.textContent = words.close;
  if (dialog.open) close.focus(); // the button of the sheet that had the focus is hidden
  else dialog.showModal();
}

/**
 * Open all results side by side, with their scores. A click on one opens it at full size.
 * @param {any} dialog
 * @param {Search} search
 * @param {import("./texts.js").Texts} words
 * @param {Href} href
 */
export function openSheet(dialog, search, words, href) {
  const items = topPictures(search).map(({ row, picture }) => {
    const [item, button, image] = ["li", "button", "img"].map((tag) => document.createElement(tag));
    /** @type {any} */ (button).type = "button";
    button.setAttribute("aria-label", describe(row, lineage(search, row.id), words));
    button.addEventListener("click", () => openPicture(dialog, search, row.id, words, href));
    fill(/** @type {HTMLImageElement} */ (image), picture, href);
    button.append(image, figure(row.reward));
    item.append(button);
    return item;
  });
  dialog.querySelector("ol").replaceChildren(...items);
  open(dialog, words.sheet, "ol", words);
}

/**
 * The plain image and the result of a search; null if one has no image, or if both are the same.
 * @param {Search} search
 */
export function comparison(search) {
  const { plain } = search;
  const best = bestPicture(search);
  const isResult = best !== null && best.row.id === bestRow(search)?.id;
  if (!plain || plainWon(search) || !isResult) return null;
  return plain.jpeg || plain.file ? { plain, best } : null;
}

/**
 * Open the result over the plain image of the same seed, with a slider between them.
 * @param {any} dialog
 * @param {Search} search
 * @param {import("./texts.js").Texts} words
 * @param {Href} href
 */
export function openComparison(dialog, search, words, href) {
  const both = comparison(search);
  if (!both) return;
  const { plain, best } = both;
  const [result, over] = dialog.querySelectorAll(".compare img");
  const labels = dialog.querySelectorAll(".compare b");
  fill(result, best.picture, href);
  fill(over, { id: -1, ...plain }, href);
  const sides = [[words.plain, plain.reward], [words.winner, best.row.reward]];
  labels.forEach((/** @type {Element} */ label, /** @type {number} */ i) => {
    const [name, reward] = sides[i];
    label.textContent = `${name} ${figure(/** @type {?number} */ (reward))}`;
  });
  const slider = dialog.querySelector("input");
  slider.setAttribute("aria-label", words.compareLabel);
  cut(dialog, 50);
  open(dialog, words.compareHint, ".compare", words);
  slider.focus();
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
  const [image, link] = ["img", "a"].map((tag) => dialog.querySelector(tag));
  const parts = [describe(row, line, words)];
  if (picture?.id !== row.id) parts.push(words.notKept);
  if (picture && picture.id !== row.id) parts.push(`${words.instead} ${picture.id}`);
  image.alt = parts.join(". ");
  image.hidden = !picture;
  link.hidden = !picture || !large(picture, href);
  if (picture) fill(image, picture, href, () => (link.hidden = true));
  link.href = picture ? large(picture, href) : "";
  link.textContent = words.newTab;
  open(dialog, image.alt, "img", words);
}
