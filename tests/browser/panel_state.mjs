/** Reads from the page what the panel shows. */

import assert from "node:assert/strict";

/** WCAG contrast of the panel's text and dim text with the node behind them. */
export function contrast(page) {
  return page.evaluate(() => {
    const light = (colour) => {
      const part = colour
        .match(/[\d.]+/g)
        .slice(0, 3)
        .map((n) => Number(n) / 255);
      const linear = part.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
      return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const panel = document.querySelector("flow-search-panel");
    const style = getComputedStyle(document.body);
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.color = style.getPropertyValue("--component-node-background") || "#333";
    const parts = [panel, panel.shadowRoot.querySelector("h4"), probe];
    const [text, dim, node] = parts.map((part) => light(getComputedStyle(part).color));
    probe.remove();
    const against = (a) => (Math.max(a, node) + 0.05) / (Math.min(a, node) + 0.05);
    return { text: against(text), dim: against(dim) };
  });
}

/** Wait until the panel's images are loaded. */
export function loaded(page) {
  return page.waitForFunction(() => {
    const { shadowRoot: root } = document.querySelector("flow-search-panel");
    const film = root.querySelector("flow-search-film").shadowRoot;
    const images = [root.querySelector(".best img"), ...film.querySelectorAll("img")];
    return images.length > 1 && images.every((image) => image.complete && image.naturalWidth);
  });
}

/** What the panel shows. */
export function shown(page) {
  return page.evaluate(() => {
    const { shadowRoot: root, model } = document.querySelector("flow-search-panel");
    const inside = (name) => root.querySelector(`flow-search-${name}`).shadowRoot;
    const picture = root.querySelector(".best img");
    return {
      rows: model.searches[0].rows.length,
      stopped: model.searches[0].stopped,
      state: root.querySelector(".state").textContent,
      picture: picture.hidden ? 0 : picture.naturalWidth,
      dots: [...inside("chart").querySelectorAll("path[stroke-linecap]")]
        .map((path) => path.getAttribute("d").split("M").length - 1)
        .reduce((sum, count) => sum + count, 0),
      scored: model.searches[0].rows.filter((row) => row.reward !== null).length,
      bars: inside("shares").querySelectorAll("g").length,
      frames: [...inside("film").querySelectorAll("img")].map((image) => image.naturalWidth),
      stops: [...root.querySelectorAll(".stop")].filter((button) => !button.hidden).length,
      cut: [...inside("chart").querySelectorAll("text")]
        .filter((text) => text.getBBox().x < 0)
        .map((text) => text.textContent),
      chart: inside("chart").querySelector("[role=slider]").getAttribute("aria-valuetext"),
      shares: inside("shares").querySelector("[role=img]").getAttribute("aria-label"),
      width: root.host.clientWidth,
      overflow: root.host.scrollWidth - root.host.clientWidth,
    };
  });
}

/** Assert that every part of the panel shows something. */
function assertFull(state) {
  assert.equal(state.dots, state.scored, "one dot per scored particle");
  assert.ok(state.picture > 0, "the best image is loaded");
  assert.ok(state.bars > 0 && state.frames.length > 0);
  assert.ok(
    state.frames.every((width) => width > 0),
    "every frame of the film is loaded",
  );
  assert.deepEqual(state.cut, [], "numbers that the chart cuts off");
  assert.match(state.shares, /step \d+: \d+ tries/);
  assert.ok(state.overflow <= 0, `the panel of ${state.width} px overflows by ${state.overflow}`);
}

/** What the panel shows when it is drawn. The report replaces the live model a moment later. */
export async function full(page) {
  let state = null;
  for (let i = 0; i < 50; i++) {
    await loaded(page);
    state = await shown(page);
    const drawn = state.dots === state.scored && !state.stops;
    if (drawn && state.picture && state.frames.every(Boolean)) break;
    await page.waitForTimeout(200);
  }
  assertFull(state);
  return state;
}
