/** The chart of the budget per step: tries as bars, quota and rollover as frames around them. */

import { shares } from "./derive.js";
import { svg, viewBase } from "./element.js";
import { COLOURS, STYLE } from "./style.js";

/** @typedef {import("./model.js").Share} Share @typedef {import("./texts.js").Texts} Texts */

/** @param {Share} share @param {Texts} words @returns {string} the share in words */
function describe({ step, tries, base, rolled }, words) {
  const parts = [`${words.step} ${step}: ${tries} ${words.tries}`];
  if (base) parts.push(`${words.quota} ${base}`);
  if (rolled) parts.push(`${rolled} ${words.rolled}`);
  return parts.join(", ");
}

export function sharesView() {
  return class SharesView extends viewBase() {
    constructor() {
      super();
      this.root.innerHTML = `<style>${STYLE} div { height: 100%; }</style><div role="img"></div>`;
      this.box = /** @type {HTMLDivElement} */ (this.root.querySelector("div"));
    }

    /**
     * @param {import("./model.js").Search} search
     * @param {Texts} words
     */
    draw(search, words) {
      const [width, height] = [this.box.clientWidth, this.box.clientHeight];
      const steps = search.rows.length ? shares(search) : [];
      this.box.setAttribute(
        "aria-label",
        [words.shares, ...steps.map((share) => describe(share, words))].join(". "),
      );
      if (!width || !height) return;
      const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
      const tried = steps.reduce((most, share) => Math.max(most, share.tries), 1);
      const quota = steps.reduce((most, share) => Math.max(most, share.base + share.rolled), 1);
      const most = Math.max(tried, Math.min(quota, 1.5 * tried)); // larger quotas are cut off
      const room = (width - 8) / Math.max(steps.length, search.sigmas.length - 1, 1);
      steps.forEach((share, i) => {
        picture.append(this.bar(share, 4 + i * room, room, height - 13, most, words));
      });
      this.box.replaceChildren(picture);
    }

    /**
     * The bar of one step with its frames and its number.
     * @param {Share} share
     * @param {number} left px
     * @param {number} room px: width of the step
     * @param {number} base px: height of the bars' lower end
     * @param {number} most the number that fills the whole height
     * @param {Texts} words
     */
    bar(share, left, room, base, most, words) {
      const tall = (/** @type {number} */ n) => Math.min(1, n / most) * (base - 2);
      const wide = Math.max(2, Math.min(room - 3, 26));
      const x = left + (room - wide) / 2;
      const group = svg("g", {});
      group.append(svg("title", {}, describe(share, words)));
      group.append(
        svg("rect", { x: left, y: 0, width: room, height: base + 13, fill: "transparent" }),
      );
      const [quota, all] = [tall(share.base), tall(share.base + share.rolled)];
      const tries = tall(share.tries);
      group.append(
        svg("rect", { x, y: base - tries, width: wide, height: tries, fill: COLOURS[0], rx: 1 }),
      );
      const box = { x: x + 0.5, width: wide - 1, fill: "none" };
      if (quota) {
        group.append(
          svg("rect", { ...box, y: base - quota, height: quota, stroke: "var(--fs-dim)" }),
        );
      }
      if (share.rolled) {
        const at = {
          ...box,
          y: base - all,
          height: all - quota,
          stroke: COLOURS[4],
          "stroke-dasharray": "2 2",
        };
        group.append(svg("rect", at));
      }
      const label = { x: left + room / 2, y: base + 11, "text-anchor": "middle" };
      if (room > 14 || share.step % 5 === 0) group.append(svg("text", label, String(share.step)));
      return group;
    }
  };
}

/**
 * The legend of the chart: colour and word.
 * @param {import("./model.js").Search} search
 * @param {Texts} words
 * @returns {string[][]}
 */
export function legend(search, words) {
  const hasQuota =
    search.rows.some((row) => row.quota !== undefined) || search.shares?.some((s) => s.base);
  const tries = [COLOURS[0], words.tries];
  if (!hasQuota) return [tries];
  return [tries, ["var(--fs-dim)", words.quota], [COLOURS[4], words.rolled]];
}
