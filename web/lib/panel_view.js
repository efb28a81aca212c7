/**
 * The panel: state and stop, the best so far, chart, budget per step, film. No host knowledge.
 *
 * `model`, `words`, `href` (FileRef -> URL) are set from outside; it says "stop" when asked to.
 */

import { bestPicture, bestRow, film, lineage, nearest, shares } from "./derive.js";
import { drawer, source } from "./element.js";
import { COLOURS, PANEL_STYLE } from "./style.js";
import { described, figure, texts } from "./texts.js";

/** @typedef {import("./store.js").Model} Model @typedef {import("./store.js").Search} Search */
/** @typedef {import("./store.js").Picture} Picture */

const HTML = `<style>${PANEL_STYLE}</style>
  <header>
    <span class="state" role="status"></span><span class="spent"></span><select hidden></select>
    <button class="stop" type="button" disabled></button>
  </header>
  <progress hidden></progress>
  <div class="full best" hidden>
    <button type="button"><span class="none"></span><img alt="" draggable="false" hidden></button>
    <dl></dl>
  </div>
  <section class="full chart" hidden><h4></h4><flow-search-chart></flow-search-chart></section>
  <section class="full shares" hidden><h4></h4><flow-search-shares></flow-search-shares></section>
  <section class="full film" hidden><h4></h4><flow-search-film></flow-search-film></section>
  <output class="full" aria-live="polite" hidden></output>
  <dialog aria-labelledby="told">
    <img alt="">
    <footer><span id="told"></span><a target="_blank" rel="noopener"></a><button type="button"></button></footer>
  </dialog>`;

const INTERVAL = 150; // ms between drawings: the page has more to do

export function panelView() {
  return class PanelView extends HTMLElement {
    constructor() {
      super();
      this.root = this.attachShadow({ mode: "open" });
      this.root.innerHTML = HTML;
      this.words = texts("en");
      /** @type {?Model} */
      this._model = null;
      this.chosen = 0;
      this.asked = false; // to stop
      /** @type {(file: import("./store.js").FileRef) => string} */
      this.href = () => "";
      /** @type {string} */
      this.shownBest = "";
      this.redraw = drawer(this, () => this.draw(), INTERVAL);
      this.wire();
    }

    /** @param {string} selector @returns {any} */
    get(selector) {
      return this.root.querySelector(selector);
    }

    /** @returns {any[]} the elements that draw a search */
    get views() {
      return ["chart", "shares", "film"].map((name) => this.get(`flow-search-${name}`));
    }

    get model() {
      return this._model;
    }

    set model(model) {
      const known = this._model?.run;
      const anew = !model?.running || known?.prompt !== model.run.prompt;
      if (anew) this.asked = false;
      if (model && (anew || model.current !== this._model?.current)) this.chosen = model.current;
      this._model = model;
      this.redraw();
    }

    /** @returns {?Search} */
    get search() {
      return this._model?.searches[this.chosen] ?? null;
    }

    connectedCallback() {
      this.redraw();
    }

    /** The stop did not arrive. */
    askAgain() {
      this.asked = false;
      this.redraw();
    }

    wire() {
      this.get(".stop").addEventListener("click", () => {
        this.asked = true;
        this.redraw();
        this.dispatchEvent(new CustomEvent("stop"));
      });
      this.get("select").addEventListener("change", (/** @type {any} */ event) => {
        this.chosen = Number(event.target.value);
        this.redraw();
      });
      for (const view of this.views) {
        view.addEventListener("pick", (/** @type {CustomEvent} */ event) =>
          this.pick(event.detail),
        );
        view.addEventListener("open", (/** @type {CustomEvent} */ event) =>
          this.open(event.detail),
        );
      }
      const best = () => (this.search ? bestPicture(this.search) : null);
      this.get(".best button").addEventListener("click", () => this.open(best()?.row.id ?? null));
      const dialog = this.get("dialog");
      dialog.querySelector("button").addEventListener("click", () => dialog.close());
      dialog.addEventListener(
        "click",
        (/** @type {Event} */ event) => event.target === dialog && dialog.close(),
      );
      dialog.addEventListener("keydown", (/** @type {Event} */ event) => event.stopPropagation());
    }

    /** @param {?number} id of the particle pointed at */
    pick(id) {
      const search = this.search;
      const line = search && id !== null ? lineage(search, id) : [];
      const row = line.at(-1);
      this.get("output").textContent = row ? described(row, line, this.words) : "";
      const chart = this.get("flow-search-chart");
      if (chart.picked !== id) {
        chart.picked = id;
        chart.redraw();
      }
    }

    /** @param {?number} id of the particle to look at, or at the last ancestor with a picture */
    open(id) {
      const { search, words } = this;
      const line = search && id !== null ? lineage(search, id) : [];
      const row = line.at(-1);
      if (!search || !row) return;
      const shown = nearest(search, row.id);
      const dialog = this.get("dialog");
      const [image, caption, link] = ["img", "span", "a"].map((tag) => dialog.querySelector(tag));
      const other = shown ? `${words.notKept}, ${words.instead} ${shown.id}` : words.notKept;
      const told = described(row, line, words);
      caption.textContent = image.alt = shown?.id === row.id ? told : `${told}; ${other}`;
      image.hidden = !shown;
      link.hidden = !shown?.file;
      if (shown) this.fill(image, shown, () => (link.hidden = true));
      link.href = shown?.file ? this.href(shown.file) : "";
      link.textContent = this.words.newTab;
      dialog.querySelector("button").textContent = this.words.close;
      dialog.showModal();
    }

    /**
     * The picture's file, or where that is gone (the temp folder is emptied) its small version.
     * @param {HTMLImageElement} image
     * @param {Picture} picture
     * @param {() => void} [gone]
     */
    fill(image, picture, gone) {
      const small = source({ ...picture, file: null }, this.href);
      image.onerror = () => {
        image.onerror = null;
        image.src = small;
        gone?.();
      };
      image.src = picture.file ? this.href(picture.file) : small;
    }

    draw() {
      const { words, search } = this;
      const model = this._model;
      for (const part of this.root.querySelectorAll(".full"))
        /** @type {HTMLElement} */ (part).hidden = !search;
      this.head(model, search);
      if (!search) return;
      this.best(search);
      const moved = film(search).length > 0;
      this.get(".film").hidden = !moved;
      const rolls =
        search.rows.some((row) => row.quota !== undefined) || search.shares?.some((s) => s.base);
      const keys = [
        [COLOURS[0], words.tries],
        ...(rolls
          ? [
              ["var(--fs-dim)", words.quota],
              [COLOURS[4], words.rolled],
            ]
          : []),
      ];
      this.heading(".chart h4", words.chart);
      this.heading(".shares h4", words.shares, keys);
      this.heading(".film h4", words.film);
      for (const view of this.views) {
        view.href = this.href;
        view.show(search, words);
      }
    }

    /**
     * @param {string} selector
     * @param {string} text
     * @param {string[][]} keys colour and word
     */
    heading(selector, text, keys = []) {
      const head = this.get(selector);
      const told = text + keys.map(([, word]) => word).join();
      if (head.dataset.told === told) return;
      head.dataset.told = told;
      head.innerHTML = "<span></span>";
      head.firstChild.textContent = head.title = text;
      for (const [colour, word] of keys) {
        const key = document.createElement("i");
        key.style.setProperty("--key", colour);
        key.textContent = word;
        head.append(key);
      }
    }

    /**
     * @param {?Model} model
     * @param {?Search} search
     */
    head(model, search) {
      const { words } = this;
      const busy = model?.running ?? false;
      const state = this.get(".state");
      const told = busy ? words[this.asked ? "stopping" : "searching"] : search && this.why(search);
      if (state.textContent !== (told ?? words.empty)) state.textContent = told ?? words.empty;
      const spent = search ? `${search.spent} / ${search.budget} ${words.nfe}` : "";
      this.get(".spent").textContent = spent; // beside the state, which is read out when it changes
      const stop = this.get(".stop");
      stop.hidden = !busy;
      stop.disabled = !busy || this.asked;
      stop.textContent = words.stop;
      stop.title = words.stopHint;
      stop.setAttribute("aria-label", words.stopHint);
      const bar = this.get("progress");
      bar.hidden = !busy;
      if (search) Object.assign(bar, { max: search.budget, value: search.spent });
      bar.setAttribute("aria-label", words.nfe);
      this.chooser(model?.searches.length ?? 0);
    }

    /** @param {Search} search @returns {string} */
    why(search) {
      const known = /** @type {Record<string, string>} */ (/** @type {unknown} */ (this.words));
      return known[search.stopped ?? "unknown"] ?? this.words.unknown;
    }

    /** @param {number} count of images in the batch */
    chooser(count) {
      const select = this.get("select");
      select.hidden = count < 2;
      select.setAttribute("aria-label", this.words.image);
      while (select.length > count) select.remove(select.length - 1);
      for (let i = select.length; i < count; i++) {
        select.add(new Option(`${this.words.image} ${i + 1}`, String(i)));
      }
      select.value = String(this.chosen);
    }

    /** @param {Search} search */
    best(search) {
      const { words } = this;
      const row = bestRow(search);
      const shown = bestPicture(search);
      const image = this.get(".best img");
      image.hidden = !shown;
      this.get(".best .none").hidden = Boolean(shown);
      this.get(".best .none").textContent = words.noPicture;
      const button = this.get(".best button");
      button.disabled = !shown;
      button.setAttribute(
        "aria-label",
        shown ? `${words.open} ${words.particle} ${shown.row.id}` : words.noPicture,
      );
      const key = shown
        ? `${this._model?.run.prompt} ${shown.picture.id} ${shown.picture.file?.filename}`
        : "";
      if (shown && key !== this.shownBest) this.fill(image, shown.picture);
      this.shownBest = key;
      const facts = row
        ? [
            [row.kind === "finish" ? words.winner : words.best, figure(row.reward), "reward"],
            ...(row.watchdog != null ? [[words.watchdog, figure(row.watchdog)]] : []),
            [words.particle, String(row.id)],
            [words.path, String(row.path)],
            [words.tried, String(shares(search).reduce((sum, share) => sum + share.tries, 0))],
          ]
        : [];
      this.get(".best dl").replaceChildren(
        ...facts.flatMap(([name, value, kind]) => {
          const [term, worth] = [document.createElement("dt"), document.createElement("dd")];
          term.textContent = name;
          worth.textContent = value;
          if (kind) worth.className = kind;
          return [term, worth];
        }),
      );
    }
  };
}
