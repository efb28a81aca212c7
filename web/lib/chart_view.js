/** The chart of score over time, in NFE: one dot per particle, coloured by path, and the best so far. */

import { bestLine, lineage, scored } from "./derive.js";
import { svg, viewBase } from "./element.js";
import { COLOURS, STYLE } from "./style.js";
import { describe, figure } from "./texts.js";

/** @typedef {import("./model.js").Row} Row @typedef {import("./model.js").Search} Search */
/** @typedef {{x: (nfe: number) => number, y: (reward: number) => number}} Scale */
/** @typedef {{low: number, high: number, cut: boolean}} Range cut: some rewards are below low */

const MARGIN = { left: 58, right: 6, top: 6, bottom: 15 };
const NEAR = 14; // px: how close the pointer must be to a dot to pick it
const KEYS = /** @type {Record<string, number>} */ ({
  ArrowLeft: -1,
  ArrowDown: -1,
  ArrowRight: 1,
  ArrowUp: 1,
  PageDown: -10,
  PageUp: 10,
  Home: -Infinity,
  End: Infinity,
});

/**
 * The last value of the NFE axis. After the search it is the NFE spent. During the search it is the
 * budget or, if that is far away, the next power of two.
 * @param {Search} search
 */
export function lastNFE({ budget, spent, stopped }) {
  if (stopped !== null) return Math.max(1, spent);
  return Math.max(1, spent, Math.min(budget, 2 ** Math.ceil(Math.log2(Math.max(32, spent * 1.5)))));
}

/**
 * The rewards to show. Low outliers (early noise) would flatten all other rewards. They are drawn
 * on the lower edge, which is Tukey's fence.
 * @param {Search} search
 * @returns {Range}
 */
export function range(search) {
  const rewards = Float64Array.from(search.rows.filter(scored), (row) => row.reward).sort();
  if (!rewards.length) return { low: 0, high: 0, cut: false };
  const quartile = (/** @type {number} */ part) => rewards[Math.floor(part * (rewards.length - 1))];
  const fence = quartile(0.25) - 1.5 * (quartile(0.75) - quartile(0.25));
  const high = rewards[rewards.length - 1];
  const cut = fence < high && fence > rewards[0];
  return { low: cut ? Number(fence.toPrecision(2)) : rewards[0], high, cut };
}

/**
 * Functions that turn NFE and reward into pixels.
 * @param {Search} search
 * @param {number} width px
 * @param {number} height px
 * @returns {Scale & Range}
 */
export function scale(search, width, height) {
  const { low, high, cut } = range(search);
  const span = high > low ? high - low : 1;
  const end = lastNFE(search);
  const [wide, tall] = [width - MARGIN.left - MARGIN.right, height - MARGIN.top - MARGIN.bottom];
  return {
    low,
    high,
    cut,
    x: (nfe) => MARGIN.left + (nfe / end) * wide,
    y: (reward) => MARGIN.top + 4 + (1 - Math.max(0, reward - low) / span) * (tall - 8),
  };
}

/**
 * The SVG path of many dots: strokes of length zero with round ends. One element holds them all.
 * @param {Iterable<Row & {reward: number}>} rows
 * @param {Scale} to
 */
function dots(rows, to) {
  let path = "";
  for (const row of rows) path += `M${to.x(row.nfe).toFixed(1)} ${to.y(row.reward).toFixed(1)}h0`;
  return path;
}

export function chartView() {
  return class ChartView extends viewBase() {
    constructor() {
      super();
      this.root.innerHTML = `<style>${STYLE} :host { cursor: crosshair; } div { height: 100%; }</style>
        <div tabindex="0" role="slider" aria-valuemin="0"></div>`;
      this.box = /** @type {HTMLDivElement} */ (this.root.querySelector("div"));
      /** @type {?number} */
      this.picked = null;
      this.box.addEventListener("pointermove", (event) => this.pick(this.near(event)));
      this.box.addEventListener("pointerleave", () => this.pick(null));
      this.box.addEventListener("blur", () => this.pick(null));
      this.box.addEventListener(
        "click",
        () => this.picked !== null && this.emit("open", this.picked),
      );
      this.box.addEventListener("keydown", (event) => this.key(event));
    }

    /** @param {?number} id of the particle to highlight */
    pick(id) {
      if (id === this.picked) return;
      this.picked = id;
      this.emit("pick", id);
      this.label(); // now: a screen reader reads it at the key press, before the next drawing
      this.redraw();
    }

    /**
     * Id of the particle closest to the pointer; null if none is near.
     * @param {PointerEvent} event
     * @returns {?number}
     */
    near(event) {
      const search = this._search;
      if (!search) return null;
      const box = this.box.getBoundingClientRect();
      const zoom = box.width / this.box.clientWidth || 1; // the canvas may scale the panel
      const [x, y] = [(event.clientX - box.left) / zoom, (event.clientY - box.top) / zoom];
      const to = scale(search, this.box.clientWidth, this.box.clientHeight);
      let nearest = null;
      let least = NEAR ** 2;
      for (const row of search.rows) {
        if (!scored(row)) continue;
        const distance = (to.x(row.nfe) - x) ** 2 + (to.y(row.reward) - y) ** 2;
        if (distance <= least) [nearest, least] = [row.id, distance];
      }
      return nearest;
    }

    /** @param {KeyboardEvent} event */
    key(event) {
      const rows = this._search?.rows ?? [];
      if (event.key === "Enter" && this.picked !== null) this.emit("open", this.picked);
      if (!(event.key in KEYS) || !rows.length) return;
      event.preventDefault();
      event.stopPropagation();
      const place = this.picked === null ? undefined : this._search?.places.get(this.picked);
      const from = place ?? (KEYS[event.key] > 0 ? -1 : rows.length);
      this.pick(rows[Math.min(rows.length - 1, Math.max(0, from + KEYS[event.key]))].id);
    }

    /** @param {Search} search */
    draw(search) {
      const [width, height] = [this.box.clientWidth, this.box.clientHeight];
      this.label();
      if (!width || !height) return;
      const to = scale(search, width, height);
      const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
      if (search.rows.some(scored)) {
        picture.append(...this.axes(search, to, width, height), ...this.particles(search, to));
        picture.append(this.record(search, to), ...this.ancestors(this.line, to));
      }
      this.box.replaceChildren(picture);
    }

    /** @returns {Row[]} the ancestors of the picked particle, then the particle itself */
    get line() {
      return this._search && this.picked !== null ? lineage(this._search, this.picked) : [];
    }

    /** Describe the chart, or the picked particle, to a screen reader. */
    label() {
      const { _search: search, _words: words, line } = this;
      if (!search || !words) return;
      const row = line.at(-1);
      const set = (/** @type {string} */ name, /** @type {string | number} */ value) =>
        this.box.setAttribute(name, String(value));
      set("aria-label", words.chart);
      set("aria-valuemax", Math.max(0, search.rows.length - 1));
      set("aria-valuenow", row ? (search.places.get(row.id) ?? 0) : 0);
      const best = figure(bestLine(search).at(-1)?.reward ?? null);
      const summary = `${search.rows.length} ${words.tried}, ${words.best} ${best}`;
      set("aria-valuetext", row ? describe(row, line, words) : summary);
    }

    /**
     * @param {Search} search
     * @param {Scale & Range} to
     * @param {number} width
     * @param {number} height
     */
    *axes(search, to, width, height) {
      const base = height - MARGIN.bottom;
      const end = lastNFE(search);
      const d = `M${MARGIN.left} ${MARGIN.top}V${base}H${width - MARGIN.right}`;
      yield svg("path", { d, fill: "none", stroke: "var(--fs-line)" });
      for (const reward of to.high > to.low ? [to.low, to.high] : [to.low]) {
        const at = { x: MARGIN.left - 4, y: to.y(reward) + 3, "text-anchor": "end" };
        yield svg("text", at, `${to.cut && reward === to.low ? "≤ " : ""}${figure(reward)}`);
      }
      yield svg("text", { x: MARGIN.left, y: height - 3 }, "0");
      yield svg(
        "text",
        { x: width - MARGIN.right, y: height - 3, "text-anchor": "end" },
        `${end} ${this._words?.nfe}`,
      );
    }

    /**
     * The dots. Accepted and finished particles are larger.
     * @param {Search} search
     * @param {Scale} to
     */
    *particles(search, to) {
      /** @type {Map<string, (Row & {reward: number})[]>} */
      const groups = new Map();
      for (const row of search.rows) {
        if (!scored(row)) continue;
        const large = row.accepted || row.kind === "finish";
        const key = `${large ? 1 : 0}${row.path % COLOURS.length}`;
        const group = groups.get(key);
        if (group) group.push(row);
        else groups.set(key, [row]);
      }
      const size = search.rows.length > 300 ? 3 : 4.5;
      for (const [key, rows] of [...groups].sort()) {
        const large = key[0] === "1";
        yield svg("path", {
          d: dots(rows, to),
          stroke: COLOURS[Number(key[1])],
          "stroke-width": large ? size + 3 : size,
          "stroke-linecap": "round",
          "stroke-opacity": large ? 1 : 0.6,
        });
      }
    }

    /**
     * The line of the best reward so far.
     * @param {Search} search
     * @param {Scale} to
     */
    record(search, to) {
      const points = bestLine(search);
      let d = points.length ? `M${to.x(points[0].nfe)} ${to.y(points[0].reward)}` : "";
      for (const { nfe, reward } of points.slice(1)) d += `H${to.x(nfe)}V${to.y(reward)}`;
      d += points.length ? `H${to.x(search.spent)}` : "";
      return svg("path", {
        d,
        fill: "none",
        stroke: "var(--fs-text)",
        "stroke-width": 1.5,
        "stroke-linejoin": "round",
      });
    }

    /**
     * The picked particle and its ancestors, joined by a dashed line.
     * @param {Row[]} line
     * @param {Scale} to
     */
    *ancestors(line, to) {
      const rows = line.filter(scored);
      if (!rows.length) return;
      const d = rows
        .map((row, i) => `${i ? "L" : "M"}${to.x(row.nfe)} ${to.y(row.reward)}`)
        .join("");
      yield svg("path", { d, fill: "none", stroke: "var(--fs-text)", "stroke-dasharray": "3 2" });
      for (const row of rows) {
        const at = { cx: to.x(row.nfe), cy: to.y(row.reward), r: row === rows.at(-1) ? 6 : 4 };
        yield svg("circle", { ...at, fill: "none", stroke: "var(--fs-text)", "stroke-width": 1.5 });
      }
    }
  };
}
