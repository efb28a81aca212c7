/**
 * The panel in the real front-end, in both renderers and themes: a workflow file is dragged onto the
 * page and run, the panel fills, Stop ends the search with an image, and a reload brings it back.
 *
 *   node panel.mjs URL WORKFLOW.json OUTPUT_FOLDER SCREENSHOTS NODE_MODULES CHROMIUM [SEED]
 *
 * SEED has to be new to the server: a search that it has run is not run again.
 */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";

import { change, drop, fit, launch, model, openPage, ready, widget } from "./front.mjs";

const [url, workflow, output, shots, tools, chromium, seed = "11"] = process.argv.slice(2);
const SEARCH = "FlowSearchRBF";
const LONG = 100000; // NFE: the search does not end by itself
const panel = (page) => page.locator("flow-search-panel");

/** Contrast of the panel's text with the node behind it, as WCAG reckons. */
function contrast(page) {
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
    const [a, b] = [getComputedStyle(panel).color, getComputedStyle(probe).color].map(light);
    probe.remove();
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  });
}

/** The panel's pictures are loaded. */
function loaded(page) {
  return page.waitForFunction(() => {
    const { shadowRoot: root } = document.querySelector("flow-search-panel");
    const film = root.querySelector("flow-search-film").shadowRoot;
    const images = [root.querySelector(".best img"), ...film.querySelectorAll("img")];
    return images.length > 1 && images.every((image) => image.complete && image.naturalWidth);
  });
}

/** What the panel shows. */
function shown(page) {
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
      chart: inside("chart").querySelector("[role=slider]").getAttribute("aria-valuetext"),
      shares: inside("shares").querySelector("[role=img]").getAttribute("aria-label"),
      width: root.host.clientWidth,
      overflow: root.host.scrollWidth - root.host.clientWidth,
    };
  });
}

function assertFull(seen) {
  assert.equal(seen.dots, seen.scored, "a dot each scored particle");
  assert.ok(seen.picture > 0, "the best picture is loaded");
  assert.ok(seen.bars > 0 && seen.frames.length > 0);
  assert.ok(
    seen.frames.every((width) => width > 0),
    "every frame of the film is loaded",
  );
  assert.match(seen.shares, /step \d+: \d+ tries/);
  assert.ok(seen.overflow <= 0, `the panel of ${seen.width} px overflows by ${seen.overflow}`);
}

/** What the panel shows once it is drawn: the report replaces the live model a moment later. */
async function full(page) {
  let seen = null;
  for (let i = 0; i < 50; i++) {
    await loaded(page);
    seen = await shown(page);
    if (seen.picture && seen.dots === seen.scored && seen.frames.every(Boolean)) break;
    await page.waitForTimeout(200);
  }
  assertFull(seen);
  return seen;
}

/** Point at a dot with the mouse, then walk with the keys; the details follow. */
async function explore(page) {
  const details = panel(page).locator("output");
  const at = await page.evaluate(async () => {
    const panel = document.querySelector("flow-search-panel");
    const file = [...performance.getEntriesByType("resource")]
      .map((entry) => entry.name)
      .find((name) => name.endsWith("/lib/chart_view.js"));
    const { scale } = await import(file);
    const box = panel.shadowRoot.querySelector("flow-search-chart").shadowRoot.querySelector("div");
    const place = box.getBoundingClientRect();
    const row = panel.model.searches[0].rows.find((row) => row.accepted && row.kind === "born");
    const to = scale(panel.model.searches[0], box.clientWidth, box.clientHeight);
    const zoom = place.width / box.clientWidth;
    return { x: place.x + to.x(row.nfe) * zoom, y: place.y + to.y(row.reward) * zoom };
  });
  await page.mouse.move(at.x, at.y);
  await assertText(details, /particle \d+, reward/);
  await page.mouse.move(5, 500);
  await assertText(details, /^$/);
  const chart = panel(page).locator("flow-search-chart [role=slider]");
  await chart.focus();
  await chart.press("End");
  await assertText(details, /particle \d+.*from \d+/);
  assert.match(await chart.getAttribute("aria-valuetext"), /particle \d+.*from \d+/);
}

async function assertText(locator, wanted) {
  for (let i = 0; i < 50 && !wanted.test(await locator.textContent()); i++) {
    await locator.page().waitForTimeout(100);
  }
  assert.match(await locator.textContent(), wanted);
}

/** The picture opens, large, by a click; Escape closes it. */
async function look(page) {
  await panel(page).locator("div.best > button").click();
  const picture = panel(page).locator("dialog[open] img");
  await picture.waitFor();
  const loaded = (image) => image.decode().then(() => image.naturalWidth);
  assert.equal(await picture.evaluate(loaded), 128);
  await page.keyboard.press("Escape");
  await picture.waitFor({ state: "hidden" });
}

/** Run a long search, watch the panel fill, stop it by the keyboard. */
async function search(page, seed) {
  await widget(page, "RandomNoise", "noise_seed", seed);
  await widget(page, SEARCH, "budget", LONG);
  const before = new Set(readdirSync(output));
  const saved = () => readdirSync(output).filter((name) => !before.has(name));
  await page.locator('[data-testid="queue-button"]').click();
  await model(page, "model.running && model.searches[0].rows.length > 30");
  await loaded(page);
  assert.equal((await shown(page)).stops, 1);
  await page.screenshot({ path: join(shots, `running_${seed}.png`) });
  const stop = panel(page).locator(".stop");
  await stop.focus();
  await stop.press("Enter");
  await model(page, "!model.running && model.searches[0].stopped === 'interrupt'");
  for (let i = 0; i < 300 && !saved().length; i++) await page.waitForTimeout(100);
  const [picture] = saved();
  assert.match(picture, /\.png$/, "SaveImage got the picture");
  const seen = { ...(await full(page)), file: picture };
  assert.equal(seen.stops, 0);
  assert.match(seen.state, /Stopped by you/);
  return seen;
}

/** Run what has not changed: the host sends the old report again, and the film stays. */
async function again(page) {
  const before = (await shown(page)).frames.length;
  await page.evaluate(
    () => (window.flowSearchBefore = document.querySelector("flow-search-panel").model),
  );
  await page.locator('[data-testid="queue-button"]').click();
  await page.waitForFunction(
    () => document.querySelector("flow-search-panel").model !== window.flowSearchBefore,
  );
  assert.equal((await full(page)).frames.length, before);
}

const browser = await launch(tools, chromium);
const settings = {
  "Comfy.Locale": "en",
  "Comfy.ColorPalette": "dark",
  "Comfy.VueNodes.Enabled": false,
};
const { page, faults, outside } = await openPage(browser, url, settings);
try {
  await drop(page, workflow, "application/json");
  await panel(page).waitFor();
  outside.length = 0; // the host's own default workflow asks for its models
  await fit(page);
  const first = await search(page, Number(seed));
  await explore(page);
  await look(page);
  await page.screenshot({ path: join(shots, "classic_dark.png") });
  assert.ok((await contrast(page)) > 4.5);

  await change(page, "Comfy.VueNodes.Enabled", true);
  await change(page, "Comfy.ColorPalette", "light");
  await page.waitForTimeout(1000);
  assert.equal((await shown(page)).rows, first.rows, "the panel outlives a change of renderer");
  await page.reload();
  await ready(page);
  await model(page, "!model.running");
  const back = await full(page);
  assert.deepEqual([back.stopped, back.rows], [first.stopped, Math.min(first.rows, back.rows)]);
  assert.ok((await contrast(page)) > 4.5);
  await page.screenshot({ path: join(shots, "restored_nodes2_light.png") });

  await fit(page);
  const second = await search(page, Number(seed) + 1);
  await explore(page);
  await look(page);
  await page.screenshot({ path: join(shots, "nodes2_light.png") });
  await again(page);

  await drop(page, join(output, second.file), "image/png");
  await page.waitForTimeout(1000);
  await model(page, "!model.running && model.searches[0].stopped === 'interrupt'");
  const { rows } = await page.evaluate(() => ({
    rows: document.querySelector("flow-search-panel").model.searches[0].rows.length,
  }));
  assert.equal(rows, second.rows, "a saved picture brings its search along");
  assert.deepEqual(faults, []);
  assert.deepEqual(outside, []);
} catch (error) {
  await page.screenshot({ path: join(shots, "failed.png") });
  console.error({ faults, outside });
  throw error;
} finally {
  await browser.close();
}
