/**
 * The panel: state, stop button, best so far, chart, budget per step, film. Knows nothing of the
 * host.
 *
 * The extension sets `model`, `words` and `href` (FileRef -> URL). `replay` gives
 * the text in the node's input of that name, or null. The panel dispatches "stop" and "replay".
 */

import { bestPicture, bestRow, film, isPerfect, lineage, shares, topPictures } from "./derive.js";
import { comparison, DIALOG, fill, openComparison, openPicture, openSheet, wireDialog } from "./dialog.js";
import { drawer, heading } from "./element.js";
import { doing, ending, facts, timeOf } from "./facts.js";
import { drawNote } from "./note.js";
import { legend } from "./shares_view.js";
import { PANEL_STYLE } from "./style.js";
import { describe, texts } from "./texts.js";
import { drawWorkers } from "./workers_view.js";

/** @typedef {import("./model.js").Model} Model @typedef {import("./model.js").Search} Search */

const HTML = `<style>${PANEL_STYLE}</style>
  <header>
    <span class="state" role="status"></span><select hidden></select>
    <button class="stop" type="button" disabled></button>
    <button class="replay" type="button" hidden></button>
  </header>
  <progress hidden></progress>
  <p class="full figures" hidden><span class="spent"></span><span class="time"></span></p>
  <p class="note" role="alert" hidden></p>
  <ul class="workers" hidden></ul>
  <div class="full best" hidden>
    <button type="button"><span class="none"></span><img alt="" draggable="false" hidden></button>
    <button class="compare" type="button" hidden></button><dl></dl>
  </div>
  <section class="full chart" hidden><h4></h4><flow-search-chart></flow-search-chart></section>
  <section class="full shares" hidden><h4></h4><flow-search-shares></flow-search-shares></section>
  <section class="full film" hidden>
    <div><h4></h4><button class="sheet" type="button" hidden></button></div><flow-search-film></flow-search-film></section>
  <output class="full" aria-live="polite" hidden></output>
  ${DIALOG}`;

const INTERVAL = 150; // ms between drawings, so that the rest of the page stays quick

export function panelView() {
  return class PanelView extends HTMLElement {
    constructor() {
      super();
      this.root = this.attachShadow({ mode: "open" });
      this.root.innerHTML = HTML;
      this.words = texts("en");
      /** @type {?Model} */
      this._model = null;
      this.image = 0; // of the batch: the one shown
      this.stopping = false;
      this.arrived = 0; // ms: when the model came
      /** @type {ReturnType<typeof setInterval> | undefined} of the time of a running search */
      this.ticker = undefined;
      /** @type {(file: import("./model.js").FileRef) => string} */
      this.href = () => "";
      /** @type {() => ?string} */
      this.replay = () => null;
      /** @type {string} key of the best image shown */
      this.bestKey = "";
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
      const otherRun = !model?.running || this._model?.run.prompt !== model.run.prompt;
      if (otherRun) this.stopping = false;
      if (model && (otherRun || model.current !== this._model?.current)) this.image = model.current;
      if (model !== this._model) this.arrived = performance.now();
      this._model = model;
      this.redraw();
    }

    /** @returns {?Search} */
    get search() {
      return this._model?.searches[this.image] ?? null;
    }

    connectedCallback() {
      this.redraw();
    }

    disconnectedCallback() {
      this.endTicks();
    }

    /** The server did not stop the search: enable the button again. */
    stopFailed() {
      this.stopping = false;
      this.redraw();
    }

    wire() {
      this.get(".stop").addEventListener("click", () => {
        this.stopping = true;
        this.redraw();
        this.dispatchEvent(new CustomEvent("stop"));
      });
      this.get(".replay").addEventListener("click", () =>
        this.dispatchEvent(new CustomEvent("replay")),
      );
      this.get("select").addEventListener("change", (/** @type {any} */ event) => {
        this.image = Number(event.target.value);
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
      this.get(".sheet").addEventListener("click", () => {
        if (this.search) openSheet(this.get("dialog"), this.search, this.words, this.href);
      });
      this.get("button.compare").addEventListener("click", () => {
        if (this.search) openComparison(this.get("dialog"), this.search, this.words, this.href);
      });
      wireDialog(this.get("dialog"));
    }

    /** @param {?number} id of the particle to highlight and describe; null: say what was chosen */
    pick(id) {
      const search = this.search;
      const line = search && id !== null ? lineage(search, id) : [];
      const row = line.at(-1);
      const text = row ? describe(row, line, this.words) : (search?.why ?? "");
      const output = this.get("output");
      if (output.textContent !== text) output.textContent = text;
      const chart = this.get("flow-search-chart");
      if (chart.picked !== id) {
        chart.picked = id;
        chart.redraw();
      }
    }

    /** @param {?number} id of the particle whose image to open */
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
      drawNote(this.get(".note"), model, words, this.href);
      drawWorkers(this.get(".workers"), search?.workers ?? null, search?.spent ?? 0, words);
      if (!search) return;
      this.best(search);
      this.get(".film").hidden = !film(search).length;
      this.get(".shares").hidden = shares(search).filter(({ tries }) => tries).length < 2;
      heading(this.get(".chart h4"), words.chart);
      heading(this.get(".shares h4"), words.shares, legend(search, words));
      heading(this.get(".film h4"), words.film);
      this.get(".sheet").hidden = topPictures(search).length < 2;
      this.get(".sheet").textContent = words.sheet;
      for (const view of this.views) {
        view.href = this.href;
        view.show(search, words);
      }
      this.pick(this.get("flow-search-chart").picked);
    }

    /**
     * @param {?Model} model
     * @param {?Search} search
     */
    head(model, search) {
      const { words } = this;
      const busy = model?.running ?? false;
      const state = this.get(".state");
      const said = (/** @type {Model} */ model) =>
        busy ? doing(model, this.stopping, words) : ending(model, search, words);
      const text = model ? said(model) : words.empty;
      if (state.textContent !== text) state.textContent = state.title = text;
      const spent = this.get(".spent"); // apart: a screen reader reads each change of the state
      spent.textContent = search ? `${search.spent} / ${search.budget} ${words.nfe}` : "";
      spent.title = (model?.images ?? 1) > 1 ? words.perImage : "";
      const stop = this.get(".stop");
      stop.hidden = !busy;
      stop.disabled = !busy || this.stopping;
      stop.textContent = words.stop;
      stop.title = words.stopHint;
      stop.setAttribute("aria-label", words.stopHint);
      this.replayButton(busy);
      const bar = this.get("progress");
      bar.hidden = !busy;
      if (search) Object.assign(bar, { max: search.budget, value: search.spent });
      bar.setAttribute("aria-label", words.nfe);
      this.time();
      this.chooser(model?.searches.length ?? 0);
    }

    /** @param {boolean} busy whether a search runs */
    replayButton(busy) {
      const { words, _model: model } = this;
      const [button, input] = [this.get(".replay"), this.replay()];
      const [filled, report] = [Boolean(input), Boolean(model?.report)];
      button.hidden = busy || input === null || !(filled || model?.searches.length);
      button.disabled = !filled && !report;
      button.textContent = words.replay;
      button.title = filled ? words.replayOn : report ? words.replayHint : words.replayOff;
      button.setAttribute("aria-pressed", String(filled));
    }

    /** Write the time. While a search runs, it goes on between messages. */
    time() {
      const { _model: model, words } = this;
      const ticks = (model?.running && !model.lost) ?? false;
      if (ticks) this.ticker ??= setInterval(() => this.time(), 1000);
      else this.endTicks();
      const since = ticks ? (performance.now() - this.arrived) / 1000 : 0;
      const time = this.get(".time");
      time.textContent = model ? timeOf(model, since, words) : "";
      time.title = model?.running ? words.leftHint : "";
    }

    endTicks() {
      clearInterval(this.ticker);
      this.ticker = undefined;
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
      select.value = String(this.image);
    }

    /** @param {Search} search */
    best(search) {
      const { words } = this;
      const row = bestRow(search);
      this.bestImage(bestPicture(search));
      const compare = this.get("button.compare");
      compare.hidden = !comparison(search);
      compare.textContent = words.compare;
      compare.title = words.compareHint;
      this.get(".best dl").replaceChildren(
        ...(row ? facts(search, row, words) : []).flatMap(([name, value, kind]) => {
          const [term, detail] = [document.createElement("dt"), document.createElement("dd")];
          term.textContent = name;
          detail.textContent = value;
          if (kind) detail.className = kind;
          if (kind === "item") {
            term.className = kind;
            term.title = name;
          }
          if (kind === "reward" && isPerfect(search, row)) {
            const praise = document.createElement("small");
            praise.textContent = ` (${words.perfect})`;
            detail.append(praise);
          }
          return [term, detail];
        }),
      );
    }

    /** @param {ReturnType<typeof bestPicture>} best null without an image */
    bestImage(best) {
      const { words } = this;
      const run = this._model?.run;
      const none = this._model?.running ? words.noImage : words.lostImage;
      const [image, text, button] = ["img", ".none", "button"].map((part) =>
        this.get(`.best ${part}`),
      );
      image.hidden = !best;
      text.hidden = Boolean(best);
      text.textContent = none;
      button.disabled = !best;
      const label = best ? `${words.open} ${words.particle} ${best.row.id}` : none;
      button.setAttribute("aria-label", label);
      const { id, url, file } = best?.picture ?? {};
      const key = best ? `${run?.prompt} ${id} ${url ?? file?.filename}` : "";
      if (best && key !== this.bestKey) fill(image, best.picture, this.href);
      this.bestKey = key;
    }
  };
}
