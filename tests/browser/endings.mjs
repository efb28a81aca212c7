/**
 * What the panel shows after an error, a cancel, a perfect score and in a batch, in both renderers.
 * A saved image that is dropped on the page is shown as the result (Field 22 to 25).
 *
 *   node endings.mjs URL WORKFLOW.json OUTPUT_FOLDER SCREENSHOTS NODE_MODULES CHROMIUM [SEED]
 */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";

import { change, drop, fit, launch, model, openPage, run, widget } from "../../tools/browser/front.mjs";
import { shown } from "./panel_state.mjs";

const [url, workflow, output, shots, tools, chromium, first = "4001"] = process.argv.slice(2);
const SEARCH = "FlowSearchRBF";
let seed = Number(first);

/** The texts and the image of the panel. */
function panelTexts(page) {
  return page.evaluate(() => {
    const { shadowRoot: root } = document.querySelector("flow-search-panel");
    const text = (selector) => root.querySelector(selector)?.textContent ?? "";
    const link = root.querySelector(".note a");
    const picture = root.querySelector(".best img");
    return {
      state: text(".state"),
      note: root.querySelector(".note").hidden ? "" : text(".note"),
      link: link?.getAttribute("href") ?? null,
      reward: text("dd.reward"),
      none: root.querySelector(".best .none").hidden ? "" : text(".best .none"),
      picture: picture.hidden ? null : picture.src.slice(0, 5),
      overflow: root.host.scrollWidth - root.host.clientWidth,
      below: root.host.scrollHeight - root.host.clientHeight,
    };
  });
}

/** Wait until a text of the panel matches. */
async function says(page, key, expected) {
  let panel = null;
  for (let i = 0; i < 900; i++) {
    panel = await panelTexts(page);
    if (expected.test(panel[key] ?? "")) return panel;
    await page.waitForTimeout(100);
  }
  assert.match(panel[key] ?? "", expected);
  return panel;
}

async function begin(page, settings) {
  seed += 1;
  await widget(page, "RandomNoise", "noise_seed", seed);
  for (const [name, value] of Object.entries(settings)) await widget(page, SEARCH, name, value);
  await page.evaluate(() => app.queuePrompt(0, 1));
}

/** Wait until the server has nothing to do. */
async function idle(page) {
  const busy = async () => {
    const queue = await (await fetch(`${url}/queue`)).json();
    return queue.queue_running.length + queue.queue_pending.length;
  };
  for (let i = 0; i < 900 && (await busy()); i++) await page.waitForTimeout(100);
}

async function shot(page, name) {
  await page.waitForTimeout(300);
  await page.screenshot({ path: join(shots, `${name}.png`) });
}

/** An error before compute shows on a panel that was empty. */
async function failed(page, name) {
  await begin(page, { budget: 1 });
  const panel = await says(page, "note", /budget.*\b1\b/i);
  assert.match(panel.state, /Did not start/);
  assert.ok(panel.overflow <= 0 && panel.below <= 0, JSON.stringify(panel));
  await shot(page, `error_${name}`);
}

/** An error of the reward's loader shows on the panel of the search that needs the reward. */
async function refused(page, name) {
  const choose = (reward) =>
    page.evaluate((reward) => {
      const loader = app.graph.nodes.find((node) => node.type === "FlowSearchRewardLoader");
      const widget = loader.widgets.find((widget) => widget.name === "reward");
      widget.value = reward;
    }, reward);
  await choose("no such reward"); // the host lets it pass
  await begin(page, { budget: 40 });
  const panel = await says(page, "note", /^Reward Model Loader: .*expected/);
  assert.match(panel.state, /Did not start/);
  await shot(page, `refused_${name}`);
  await choose("shape_count");
}

/** A cancel shows a link that opens the unfinished image. */
async function cancelled(page, name) {
  await begin(page, { budget: 100000, init_particles: 25, stop_at_maximum: false });
  await model(page, "model.running && model.searches[0].rows.length > 20");
  await page.evaluate(() => app.api.interrupt(null));
  const panel = await says(page, "state", /Cancelled/);
  assert.match(panel.note, /^Unfinished image: output\/flow_search\/unfinished_\d+\.png$/);
  const status = await page.evaluate((href) => fetch(href).then((file) => file.status), panel.link);
  assert.equal(status, 200);
  await shot(page, `cancelled_${name}`);
}

/** A batch shows its current image, then its end. */
async function batch(page, name) {
  await widget(page, "EmptySD3LatentImage", "batch_size", 2);
  await begin(page, { budget: 40, init_particles: 0, stop_at_maximum: true });
  const panel = await says(page, "state", /image 2 of 2/);
  assert.match(panel.state, /^Searching, image 2 of 2$/);
  await shot(page, `batch_${name}`);
  await model(page, "!model.running && model.searches.length === 2");
  await widget(page, "EmptySD3LatentImage", "batch_size", 1);
  await idle(page);
}

/** A reward that has its maximum for every image. */
async function perfect(page, name) {
  await widget(page, "FlowSearchRewardLoader", "reward.counts", "pink circles: 0");
  await widget(page, "FlowSearchRewardLoader", "reward.other_shapes", "ignore");
  await widget(page, "FlowSearchRewardLoader", "reward.tie_break", 0);
  const before = new Set(readdirSync(output));
  await begin(page, { budget: 60, top_k: 1, stop_at_maximum: true });
  await model(page, "!model.running && model.searches[0].stopped === 'target'");
  const panel = await says(page, "state", /^Maximum reached$/);
  assert.equal(panel.reward, "0 (perfect)");
  await shot(page, `perfect_${name}`);
  await idle(page);
  return readdirSync(output).find((file) => !before.has(file) && /png$/.test(file));
}

/** A saved image: the dropped file is shown; after the workflow is loaded again, its small version. */
async function dropped(page, file, name) {
  await drop(page, join(output, file), "image/png");
  await model(page, "!model.running && model.searches[0].stopped === 'target'");
  const panel = await says(page, "picture", /^blob:/);
  assert.deepEqual([panel.reward, panel.none], ["0 (perfect)", ""]);
  const { picture } = await shown(page);
  assert.equal(picture, 128, "the size of the file");
  await shot(page, `dropped_${name}`);
  await page.evaluate(() => app.loadGraphData(app.graph.serialize()));
  await says(page, "picture", /^data:/);
}

const browser = await launch(tools, chromium);
const settings = { "Comfy.Locale": "en", "Comfy.ColorPalette": "dark", "Comfy.VueNodes.Enabled": false };
const { page, faults } = await openPage(browser, url, settings);
/** The host's messages about the error that the test causes. */
const hosts = (line) => /^(PromptExecutionError|Error: )|execution/i.test(line);
try {
  for (const [name, vue] of [["classic", false], ["nodes2", true]]) {
    await change(page, "Comfy.VueNodes.Enabled", vue);
    await page.evaluate(() => app.graph.clear());
    await drop(page, workflow, "application/json");
    await page.locator("flow-search-panel").waitFor();
    await page.waitForTimeout(800);
    await fit(page);
    await failed(page, name);
    await page.keyboard.press("Escape"); // the host's dialog
    await refused(page, name);
    await page.keyboard.press("Escape");
    await cancelled(page, name);
    if (!vue) await batch(page, name); // the same texts in both
    await dropped(page, await perfect(page, name), name);
  }
  assert.deepEqual(faults.filter((line) => !hosts(line)), []);
} catch (error) {
  await page.screenshot({ path: join(shots, "failed_states.png") });
  console.error({ faults });
  throw error;
} finally {
  await browser.close();
}
