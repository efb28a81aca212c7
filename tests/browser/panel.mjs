/**
 * The panel in the real front-end, in both renderers and themes. A workflow file is dropped on the
 * page and run. The panel fills, Stop ends the search with an image, and a reload restores the
 * panel. Then the same inside a subgraph.
 *
 *   node panel.mjs URL WORKFLOW.json OUTPUT_FOLDER SCREENSHOTS NODE_MODULES CHROMIUM [SEED]
 *
 * SEED must be new to the server, which does not run the same search again.
 */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";

import {
  change,
  drop,
  enclose,
  enter,
  fit,
  launch,
  model,
  openPage,
  ready,
  run,
  widget,
} from "../../tools/browser/front.mjs";
import { contrast, full, loaded, shown } from "./panel_state.mjs";

const [url, workflow, output, shots, tools, chromium, seed = "11"] = process.argv.slice(2);
const SEARCH = "FlowSearchRBF";
const KEPT = 1000; // particles saved with a workflow
const LONG = 100000; // NFE, so that the search does not end by itself
// A subgraph's node has a panel too. It is hidden while the subgraph is open.
const panel = (page) => page.locator("flow-search-panel").filter({ visible: true });

/** Point at a dot with the mouse, then use the keys. The details follow. */
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
  await assertText(details, /particle \d+, score/);
  await page.mouse.move(5, 500);
  await assertText(details, /^The .+\. So .*children differ in one region\.$/); // what was automatic, and why
  const chart = panel(page).locator("flow-search-chart [role=slider]");
  await chart.focus();
  await chart.press("End");
  await assertText(details, /particle \d+.*from \d+/);
  assert.match(await chart.getAttribute("aria-valuetext"), /particle \d+.*from \d+/);
}

async function assertText(locator, expected) {
  for (let i = 0; i < 50 && !expected.test(await locator.textContent()); i++) {
    await locator.page().waitForTimeout(100);
  }
  assert.match(await locator.textContent(), expected);
}

/** Images open at full size from the best, the film and a dot. Escape closes them. */
async function look(page) {
  const picture = panel(page).locator("dialog[open] > img");
  const caption = panel(page).locator("dialog #caption");
  const loaded = (image) => image.decode().then(() => image.naturalWidth);
  const opens = async (selector, press, expected) => {
    await press(panel(page).locator(selector));
    await picture.waitFor();
    assert.equal(await picture.evaluate(loaded), 128);
    assert.match(await caption.textContent(), expected);
    await page.keyboard.press("Escape");
    await picture.waitFor({ state: "hidden" });
  };
  await opens("div.best > button:not(.compare)", (best) => best.click(), /^particle \d+, score (?!.*image)/);
  const first = "flow-search-film li:first-child button";
  await opens(first, (frame) => frame.click(), /^particle \d+, (?!.*image)/);
  await sheet(page);
  const unkept = await page.evaluate(() => {
    const { searches } = document.querySelector("flow-search-panel").model;
    const { rows, pictures } = searches[0];
    return rows.findIndex((row) => row.kind === "propose" && !pictures.has(row.id));
  });
  const walk = async (chart) => {
    await chart.press("Home");
    for (let i = 0; i < unkept; i++) await chart.press("ArrowRight");
    await chart.press("Enter");
  };
  const chart = "flow-search-chart [role=slider]";
  await opens(chart, walk, /^particle \d+,.*\. Its image was not kept\. This is particle \d+$/);
}

/** All results stand side by side with their scores. Each opens at full size. */
async function sheet(page) {
  await panel(page).locator(".sheet").click();
  const frames = panel(page).locator("dialog[open] ol button");
  const rewards = await page.evaluate(() => {
    const { rows, places, top } = document.querySelector("flow-search-panel").model.searches[0];
    return top.map((id) => rows[places.get(id)].reward);
  });
  assert.ok(rewards.length > 1);
  assert.deepEqual(rewards, rewards.toSorted((a, b) => b - a));
  const said = await frames.allTextContents();
  said.forEach((text, i) => assert.ok(Math.abs(Number(text) - rewards[i]) < 1e-3, text));
  assert.equal(said.length, rewards.length);
  await page.screenshot({ path: join(shots, `sheet_${rewards.length}.png`) });
  await frames.nth(1).click();
  await assertText(panel(page).locator("dialog #caption"), /^particle \d+, score/);
  assert.ok(await frames.first().isHidden());
  await page.keyboard.press("Escape");
  await panel(page).locator("dialog").waitFor({ state: "hidden" });
}

/** At a width of 300 px nothing is cut off, in both languages. */
async function narrow(page) {
  const measure = () =>
    page.evaluate(() => {
      const { shadowRoot: root } = document.querySelector("flow-search-panel");
      const inside = root.host.getBoundingClientRect();
      const heads = [...root.querySelectorAll("section:not([hidden]) h4 > *, header button, .sheet, .figures *, dd, dt")];
      return heads
        .filter((part) => part.offsetParent)
        .filter(
          (part) =>
            part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).display !== "inline",
        )
        .concat(heads.filter((part) => part.getBoundingClientRect().right > inside.right + 1))
        .map((part) => part.textContent);
    });
  const size = (width) =>
    page.evaluate(
      ([type, width]) => {
        const graphs = [app.rootGraph, ...app.rootGraph.subgraphs.values()];
        const node = graphs.flatMap((graph) => graph.nodes).find((node) => node.type === type);
        const before = node.size[0];
        node.setSize([width, node.size[1]]);
        app.graph.setDirtyCanvas(true, true);
        return before;
      },
      [SEARCH, width],
    );
  const before = await size(300);
  await page.waitForTimeout(600);
  const style = (width) =>
    page.evaluate((width) => {
      document.querySelector("flow-search-panel").style.width = width;
    }, width);
  if ((await shown(page)).width > 300) await style("292px"); // in old Nodes 2.0 a node stays wide
  for (const locale of ["zh", "en"]) {
    await page.evaluate(async (locale) => {
      const panel = document.querySelector("flow-search-panel");
      const file = [...performance.getEntriesByType("resource")]
        .map((entry) => entry.name)
        .find((name) => name.endsWith("/lib/texts.js"));
      panel.words = (await import(file)).texts(locale);
      panel.redraw();
    }, locale);
    await page.waitForTimeout(600);
    const { width, overflow } = await shown(page);
    assert.ok(width > 250 && width <= 300, `a panel of ${width} px`);
    assert.ok(overflow <= 0, `overflows by ${overflow} px`);
    assert.deepEqual(await measure(), [], `cut off at 300 px (${locale})`);
    await page.screenshot({ path: join(shots, `narrow_${locale}.png`) });
  }
  await style("");
  await size(before);
}

/** The host's previews arrive, and it draws none of them: the panel shows the same images. */
async function previewsHidden(page) {
  const { arrived, drawn } = await page.evaluate(() => ({
    arrived: window.previewsArrived,
    drawn: Object.keys(app.nodePreviewImages),
  }));
  assert.ok(arrived > 0, "the host sends previews");
  assert.deepEqual(drawn, [], "nodes with a preview of the host");
}

/** Run a long search, wait for some rows in the panel, and stop it by the keyboard. */
async function search(page, seed, rows = 30, starts = 25) {
  await widget(page, "RandomNoise", "noise_seed", seed);
  await widget(page, SEARCH, "budget", LONG);
  await widget(page, SEARCH, "init_particles", starts); // a quarter of LONG would take all day
  await widget(page, SEARCH, "stop_at_maximum", false);
  const files = () => readdirSync(output, { withFileTypes: true }).filter((entry) => entry.isFile());
  const before = new Set(files().map((file) => file.name));
  const saved = () => files().map((file) => file.name).filter((name) => !before.has(name));
  await page.locator('[data-testid="queue-button"]').click();
  await model(page, `model.running && model.searches[0].rows.length > ${rows}`);
  await loaded(page);
  assert.equal((await shown(page)).stops, 1);
  await assertText(panel(page).locator(".time"), /^(\d+ min )?\d+ s, about (\d+ (h|min) )?\d+ (min|s) left$/);
  await previewsHidden(page);
  await page.screenshot({ path: join(shots, `running_${seed}.png`) });
  const stop = panel(page).locator(".stop");
  await stop.focus();
  await stop.press("Enter");
  await model(page, "!model.running && model.searches[0].stopped === 'interrupt'");
  for (let i = 0; i < 300 && !saved().length; i++) await page.waitForTimeout(100);
  const [picture] = saved();
  assert.match(picture, /\.png$/, "SaveImage got the image");
  const state = { ...(await full(page)), file: picture };
  assert.equal(state.stops, 0);
  assert.match(state.state, /Stopped by you/);
  await assertText(panel(page).locator(".time"), /^(\d+ min )?\d+ s$/);
  return state;
}

/** Run an unchanged workflow: the host may send the old report again, and the film stays. */
async function again(page) {
  const before = (await shown(page)).frames.length;
  await run(page);
  await page.waitForTimeout(500); // the panel draws
  assert.equal((await full(page)).frames.length, before);
}

/** Replay fills the node's input: the next run makes the result again. Then it empties the input. */
async function replayed(page) {
  const button = panel(page).locator(".replay");
  const state = () =>
    page.evaluate(() => {
      const { model, replay } = document.querySelector("flow-search-panel");
      const [{ rows, best, spent }] = model.searches;
      return { reward: rows.find((row) => row.id === best).reward, spent, filled: replay() };
    });
  const before = await state();
  await button.click();
  await panel(page).locator(".replay[aria-pressed=true]").waitFor();
  await run(page);
  await model(page, `!model.running && model.report && model.searches[0].spent < ${before.spent}`);
  const { reward, filled } = await state();
  assert.ok(Math.abs(reward - before.reward) <= 1e-4 * Math.abs(before.reward));
  assert.equal(JSON.parse(filled).spent.nfe, before.spent);
  await page.screenshot({ path: join(shots, `replayed_${before.spent}.png`) });
  await button.click();
  await panel(page).locator(".replay[aria-pressed=false]").waitFor();
  assert.equal((await state()).filled, "");
}

/** The search is restored with the workflow. */
async function restored(page, before) {
  await model(page, "!model.running");
  const back = await full(page);
  assert.deepEqual([back.stopped, back.rows], [before.stopped, Math.min(before.rows, KEPT)]);
  await panel(page).locator(".replay:enabled").waitFor(); // its report was saved with the workflow
}

/** A saved image that is dropped on the page restores its search. */
async function dropped(page, before, open = async () => {}) {
  await drop(page, join(output, before.file), "image/png");
  await page.waitForTimeout(1000);
  await open();
  await model(page, "!model.running && model.searches[0].stopped === 'interrupt'");
  assert.equal((await shown(page)).rows, before.rows);
}

/** Change renderer and theme. */
async function dress(page, vue, theme) {
  await change(page, "Comfy.VueNodes.Enabled", vue);
  await change(page, "Comfy.ColorPalette", theme);
  await page.waitForTimeout(1000);
}

/** The panel is full and readable. Takes a screenshot. */
async function readable(page, name) {
  await full(page);
  const { text, dim } = await contrast(page);
  assert.ok(text > 4.5 && dim > 4.5, `contrast ${text} of text, ${dim} of dim text`);
  await page.screenshot({ path: join(shots, `${name}.png`) });
}

/** Nodes are large enough: those of the workflow do not overlap, and a new one does not overflow. */
async function room(page) {
  const { overlaps, left } = await page.evaluate((type) => {
    const { nodes } = app.rootGraph;
    const ends = ([x, y, width, height]) => [x, y, x + width, y + height];
    const meet = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
    const over = (a, b) => a.id < b.id && meet(ends(a.boundingRect), ends(b.boundingRect));
    const fresh = LiteGraph.createNode(type);
    return {
      overlaps: nodes.flatMap((a) => nodes.filter((b) => over(a, b)).map((b) => [a.id, b.id])),
      left: fresh.size[1] - fresh.computeSize()[1],
    };
  }, SEARCH);
  assert.deepEqual(overlaps, []);
  assert.ok(left >= 0, `a new node lacks ${-left} px`);
}

/** The host's side panel, open on the node, does not change the width of our panel. */
async function beside(page) {
  const { width } = await shown(page);
  await change(page, "Comfy.RightSidePanel.IsOpen", true);
  await page.evaluate((type) => {
    app.canvas.selectNode(app.rootGraph.nodes.find((node) => node.type === type));
  }, SEARCH);
  await page.waitForTimeout(1000);
  assert.equal((await shown(page)).width, width);
  await change(page, "Comfy.RightSidePanel.IsOpen", false);
}

const browser = await launch(tools, chromium);
const settings = {
  "Comfy.Locale": "en",
  "Comfy.ColorPalette": "dark",
  "Comfy.VueNodes.Enabled": false,
  "Comfy.Execution.PreviewMethod": "auto",
};
/** Count the previews that arrive. Call it again after a reload. */
async function countPreviews(page) {
  await page.evaluate(() => {
    window.previewsArrived = 0;
    app.api.addEventListener("b_preview", () => (window.previewsArrived += 1));
  });
}

const { page, faults, outside } = await openPage(browser, url, settings);
try {
  await countPreviews(page);
  await drop(page, workflow, "application/json");
  await panel(page).waitFor();
  const hosts = (line) => line.includes("https://huggingface.co/"); // of its default workflow
  outside.splice(0, outside.length, ...outside.filter((line) => !hosts(line)));
  await fit(page);
  await room(page);
  const first = await search(page, Number(seed));
  await explore(page);
  await look(page);
  await beside(page);
  await readable(page, "classic_dark");
  await narrow(page);

  await dress(page, true, "light");
  assert.equal((await shown(page)).rows, first.rows, "the panel survives a change of renderer");
  await page.reload();
  await ready(page);
  await countPreviews(page);
  await restored(page, first);
  await readable(page, "restored_nodes2_light");
  await narrow(page);

  await fit(page);
  const second = await search(page, Number(seed) + 1);
  await explore(page);
  await look(page);
  await page.screenshot({ path: join(shots, "nodes2_light.png") });
  await again(page);
  await replayed(page);

  await enclose(page, SEARCH);
  await enter(page);
  await dress(page, true, "dark");
  await search(page, Number(seed) + 3, 10, 7);
  await readable(page, "subgraph_nodes2_dark");
  await dress(page, false, "light");
  await readable(page, "subgraph_classic_light");
  await replayed(page);
  const third = await search(page, Number(seed) + 2, 10, 6);
  await page.waitForTimeout(2000); // the front-end saves its draft a little later
  await page.reload();
  await ready(page);
  await enter(page);
  await restored(page, third);
  await dropped(page, third, () => enter(page));
  await dropped(page, second);
  assert.deepEqual(faults, []);
  assert.deepEqual(outside, []);
} catch (error) {
  await page.screenshot({ path: join(shots, "failed.png") });
  console.error({ faults, outside });
  throw error;
} finally {
  await browser.close();
}
