/** The budget per step: tries as bars; the quota and what rolled over to the step around them. */

import { shares } from "./derive.js";
import { svg, viewBase } from "./element.js";
import { COLOURS, STYLE } from "./style.js";

/** @typedef {import("./store.js").Share} Share @typedef {import("./texts.js").Texts} Texts */

/** @param {Share} share @param {Texts} words */
function told({ step, tries, base, rolled }, words) {
  const quota = base ? `, ${words.quota} ${base}` : "";
  return `${words.step} ${step}: ${tries} ${words.tries}${quota}${rolled ? `, ${rolled} ${words.rolled}` : ""}`;
}

export function sharesView() {
  return class SharesView extends viewBase() {
    constructor() {
      super();
      this.root.innerHTML = `<style>${STYLE} div { height: 100%; }</style><div role="img"></div>`;
      this.box = /** @type {HTMLDivElement} */ (this.root.querySelector("div"));
    }

    /**
     * @param {import("./store.js").Search} search
     * @param {Texts} words
     */
    draw(search, words) {
      const [width, height] = [this.box.clientWidth, this.box.clientHeight];
      const found = search.rows.length ? shares(search) : [];
      this.box.setAttribute(
        "aria-label",
        [words.shares, ...found.map((s) => told(s, words))].join(". "),
      );
      if (!width || !height) return;
      const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
      const tried = found.reduce((most, share) => Math.max(most, share.tries), 1);
      const quota = found.reduce((most, share) => Math.max(most, share.base + share.rolled), 1);
      const most = Math.max(tried, Math.min(quota, 1.5 * tried)); // larger quotas are cut off
      const room = (width - 8) / Math.max(found.length, search.sigmas.length - 1, 1);
      found.forEach((share, i) => {
        picture.append(this.bar(share, 4 + i * room, room, height - 13, most, words));
      });
      this.box.replaceChildren(picture);
    }

    /**
     * @param {Share} share
     * @param {number} left
     * @param {number} room
     * @param {number} base
     * @param {number} most
     * @param {Texts} words
     */
    bar(share, left, room, base, most, words) {
      const tall = (/** @type {number} */ n) => Math.min(1, n / most) * (base - 2);
      const wide = Math.max(2, Math.min(room - 3, 26));
      const x = left + (room - wide) / 2;
      const group = svg("g", {});
      group.append(svg("title", {}, told(share, words)));
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
