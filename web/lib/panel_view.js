/**
 * The panel: state and stop, the best so far, chart, budget per step, film. No host knowledge.
 *
 * `model`, `words`, `href` (FileRef -> URL) are set from outside; it says "stop" when asked to.
 */

import { bestPicture, bestRow, film, isPerfect, isUnspent, lineage, lowerFinish, shares } from "./derive.js";
import { DIALOG, fill, openPicture, wireDialog } from "./dialog.js";
import { drawer, heading } from "./element.js";
import { COLOURS, PANEL_STYLE } from "./style.js";
import { described, figure, imageOf, noteOf, texts } from "./texts.js";

/** @typedef {import("./store.js").Model} Model @typedef {import("./store.js").Search} Search */

const HTML = `<style>${PANEL_STYLE}</style>
  <header>
    <span class="state" role="status"></span><span class="spent"></span><select hidden></select>
    <button class="stop" type="button" disabled></button>
  </header>
  <progress hidden></progress>
  <p class="note" role="alert" hidden></p>
  <div class="full best" hidden>
    <button type="button"><span class="none"></span><img alt="" draggable="false" hidden></button>
    <dl></dl>
  </div>
  <section class="full chart" hidden><h4></h4><flow-search-chart></flow-search-chart></section>
  <section class="full shares" hidden><h4></h4><flow-search-shares></flow-search-shares></section>
  <section class="full film" hidden><h4></h4><flow-search-film></flow-search-film></section>
  <output class="full" aria-live="polite" hidden></output>
  ${DIALOG}`;

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
      wireDialog(this.get("dialog"));
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
      const { search, words, href } = this;
      if (search && id !== null) openPicture(this.get("dialog"), search, id, words, href);
    }

    draw() {
      const { words, search } = this;
      const model = this._model;
      for (const part of this.root.querySelectorAll(".full"))
        /** @type {HTMLElement} */ (part).hidden = !search;
      this.head(model, search);
      this.note(model);
      if (!search) return;
      this.best(search);
      const moved = film(search).length > 0;
      this.get(".film").hidden = !moved;
      this.get(".shares").hidden = shares(search).filter(({ tries }) => tries).length < 2;
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
      heading(this.get(".chart h4"), words.chart);
      heading(this.get(".shares h4"), words.shares, keys);
      heading(this.get(".film h4"), words.film);
      for (const view of this.views) {
        view.href = this.href;
        view.show(search, words);
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
      const told = (model && (busy ? this.doing(model) : this.why(model, search))) ?? words.empty;
      if (state.textContent !== told) state.textContent = state.title = told;
      const spent = this.get(".spent"); // beside the state, which is read out when it changes
      spent.textContent = search ? `${search.spent} / ${search.budget} ${words.nfe}` : "";
      spent.title = (model?.images ?? 1) > 1 ? words.perImage : "";
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

    /** @param {Model} model that runs */
    doing({ lost, current, images }) {
      const { words } = this;
      const doing = this.asked ? words.stopping : lost ? words.lost : words.searching;
      return images > 1 ? `${doing}, ${imageOf(words, current, images)}` : doing;
    }

    /** @param {Model} model that has ended @param {?Search} search @returns {string} */
    why(model, search) {
      const known = /** @type {Record<string, string>} */ (/** @type {unknown} */ (this.words));
      const highest = search && search.stopped === "target" && search.rows.some((row) => isPerfect(search, row));
      const stopped = search && isUnspent(search) ? "unspent" : search?.stopped;
      const why = model.error ? "error" : (model.ended ?? stopped ?? "unknown");
      return highest && !model.ended ? this.words.highest : (known[why] ?? this.words.unknown);
    }

    /** @param {?Model} model: why it ended, and where unfinished pictures are */
    note(model) {
      const box = this.get(".note");
      const text = model ? noteOf(model, this.words) : "";
      const files = model?.saved ?? [];
      box.hidden = !text && !files.length;
      const told = JSON.stringify([text, files]);
      if (box.dataset.told === told) return;
      box.dataset.told = told;
      box.replaceChildren(text);
      for (const file of files) {
        const link = Object.assign(document.createElement("a"), { target: "_blank", rel: "noopener" });
        link.href = this.href(file);
        link.textContent = [file.type, file.subfolder, file.filename].filter(Boolean).join("/");
        box.append(text || box.childNodes.length > 1 ? "\n" : "", `${this.words.unfinished} `, link);
      }
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
      const none = this._model?.running ? words.noPicture : words.lostPicture;
      const row = bestRow(search);
      const lower = lowerFinish(search);
      const shown = bestPicture(search);
      const image = this.get(".best img");
      image.hidden = !shown;
      this.get(".best .none").hidden = Boolean(shown);
      this.get(".best .none").textContent = none;
      const button = this.get(".best button");
      button.disabled = !shown;
      button.setAttribute(
        "aria-label",
        shown ? `${words.open} ${words.particle} ${shown.row.id}` : none,
      );
      const key = shown
        ? `${this._model?.run.prompt} ${shown.picture.id} ${shown.picture.url ?? shown.picture.file?.filename}`
        : "";
      if (shown && key !== this.shownBest) fill(image, shown.picture, this.href);
      this.shownBest = key;
      const facts = row
        ? [
            [
              row.kind === "finish" || row.id === search.best ? words.winner : words.best,
              figure(row.reward),
              "reward",
            ],
            ...(lower === null ? [] : [[words.lower, figure(lower)]]),
            ...(row.watchdog != null ? [[words.watchdog, figure(row.watchdog)]] : []),
            [words.particle, String(row.id)],
            ...(search.start === null ? [] : [[words.start, String(search.start)]]),
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
          if (kind && isPerfect(search, row)) {
            const praise = document.createElement("small");
            praise.textContent = ` (${words.perfect})`;
            worth.append(praise);
          }
          return [term, worth];
        }),
      );
    }
  };
}
