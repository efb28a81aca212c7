/** The film: small images of the accepted particles, in order. */

import { bestRow, film, lineage } from "./derive.js";
import { source, viewBase } from "./element.js";
import { COLOURS, STYLE } from "./style.js";
import { describe } from "./texts.js";

/** @typedef {import("./model.js").Row} Row @typedef {import("./model.js").Picture} Picture */

const SHOWN = 40; // the latest images

export function filmView() {
  return class FilmView extends viewBase() {
    constructor() {
      super();
      this.root.innerHTML = `<style>${STYLE}
        ol { display: flex; gap: 4px; margin: 0; padding: 2px; list-style: none; overflow: auto hidden; height: 60px;
          scrollbar-width: thin; scrollbar-color: var(--fs-line) transparent; box-sizing: border-box; }
        button { padding: 0; border-radius: 4px; border-width: 0 0 3px; overflow: hidden; width: 48px; height: 48px; }
        img { width: 48px; height: 45px; object-fit: cover; display: block; }
        .best button { outline: 2px solid var(--fs-text); }
      </style><ol></ol>`;
      this.list = /** @type {HTMLOListElement} */ (this.root.querySelector("ol"));
      /** @type {Map<Picture, HTMLLIElement>} */
      this.frames = new Map();
    }

    /**
     * @param {import("./model.js").Search} search
     * @param {import("./texts.js").Texts} words
     */
    draw(search, words) {
      const latest = film(search).slice(-SHOWN);
      const atEnd = this.list.scrollLeft + this.list.clientWidth >= this.list.scrollWidth - 60;
      const best = bestRow(search)?.id;
      /** @type {Map<Picture, HTMLLIElement>} */
      const frames = new Map();
      for (const { row, picture } of latest) {
        const frame = this.frames.get(picture) ?? this.frame(row, picture);
        const [button] = frame.children;
        const label = describe(row, lineage(search, row.id), words);
        if (button.getAttribute("aria-label") !== label) button.setAttribute("aria-label", label);
        frame.classList.toggle("best", row.id === best);
        frames.set(picture, frame);
      }
      const same =
        frames.size === this.frames.size && [...frames.keys()].every((p) => this.frames.has(p));
      if (!same) {
        this.list.replaceChildren(...frames.values());
        if (atEnd) this.list.scrollLeft = this.list.scrollWidth;
      }
      this.frames = frames;
      this.list.setAttribute("aria-label", words.film);
    }

    /**
     * @param {Row} row
     * @param {Picture} picture
     */
    frame(row, picture) {
      const item = document.createElement("li");
      const button = document.createElement("button");
      const image = document.createElement("img");
      image.alt = "";
      image.draggable = false;
      image.src = source(picture, this.href);
      button.type = "button";
      button.style.borderColor = COLOURS[row.path % COLOURS.length];
      button.append(image);
      for (const type of ["pointerenter", "focus"])
        button.addEventListener(type, () => this.emit("pick", row.id));
      for (const type of ["pointerleave", "blur"])
        button.addEventListener(type, () => this.emit("pick", null));
      button.addEventListener("click", () => this.emit("open", row.id));
      item.append(button);
      return item;
    }
  };
}
