/**
 * The blueprint: added by its name, wired as KSampler, run in both renderers. The panel is on the
 * outside, and so is Stop.
 *
 *   node blueprint.mjs URL STOCK.json SCREENSHOTS NODE_MODULES CHROMIUM
 */

import assert from "node:assert/strict";
import { join } from "node:path";

import { change, drop, fit, launch, model, openPage } from "../../tools/browser/front.mjs";

const [url, workflow, shots, tools, chromium] = process.argv.slice(2);
const NAME = "Search KSampler in separate nodes";
const LONG = 100000; // evaluations, so that the search does not end by itself

/** Add the blueprint by ComfyUI's search box. */
async function add(page) {
  await page.mouse.dblclick(600, 950);
  await page.keyboard.type(NAME);
  await page.getByText("Blueprint", { exact: true }).waitFor();
  await page.keyboard.press("Enter"); // now the node hangs at the pointer
  await page.waitForFunction((name) => app.graph.nodes.some(({ title }) => title === name), NAME);
  for (let hangs = true; hangs; ) {
    await page.mouse.click(1200, 500);
    await page.waitForTimeout(500);
    hangs = await page.evaluate(() => app.graph.nodes.some(({ flags }) => flags.ghost));
  }
}

/** Wire it as the KSampler, which goes, and a reward. */
function wire(page) {
  return page.evaluate(() => {
    const find = (type) => app.graph.nodes.find((node) => node.type === type);
    const [sampler, loader] = ["KSampler", "FlowSearchDemoLoader"].map(find);
    const search = app.graph.nodes.find((node) => node.subgraph);
    const slot = (name) => search.inputs.findIndex((input) => input.name === name);
    for (const { name, link } of sampler.inputs.slice(0, 4)) {
      const { origin_id, origin_slot } = app.graph.getLink(link);
      app.graph.getNodeById(origin_id).connect(origin_slot, search, slot(name));
    }
    const reward = LiteGraph.createNode("FlowSearchRewardLoader");
    reward.pos = [0, 700];
    app.graph.add(reward);
    loader.connect(2, search, slot("vae"));
    reward.connect(0, search, slot("reward"));
    search.connect(0, find("VAEDecode"), 0);
    search.pos = [...sampler.pos];
    app.graph.remove(sampler);
    return search.widgets.map(({ name, value }) => [name, value]);
  });
}

/** Run it with another seed, and stop it by the panel outside. */
async function play(page, seed, vue) {
  await change(page, "Comfy.VueNodes.Enabled", vue);
  await page.waitForTimeout(1000);
  await page.evaluate(
    async (values) => {
      const { widgets } = app.graph.nodes.find((node) => node.subgraph);
      for (const [name, value] of Object.entries(values))
        widgets.find((widget) => widget.name === name).value = value;
      await app.queuePrompt(0, 1);
    },
    { seed, steps: 4, budget: LONG },
  );
  await model(page, "model.running && model.searches[0].rows.length > 2");
  await fit(page);
  await page.locator("flow-search-panel .stop").click();
  await model(page, "model.searches[0].stopped === 'interrupt' && !model.running");
  await page.waitForTimeout(500);
  await page.screenshot({ path: join(shots, `blueprint_${vue ? "nodes2" : "classic"}.png`) });
}

const browser = await launch(tools, chromium);
const settings = { "Comfy.Locale": "en", "Comfy.VueNodes.Enabled": false };
const { page, faults, outside } = await openPage(browser, url, settings);
await drop(page, workflow, "application/json");
await page.waitForFunction(() => app.graph.nodes.some((node) => node.type === "KSampler"));
await page.waitForTimeout(1000);
await fit(page);
await add(page);
const widgets = await wire(page);
assert.deepEqual(widgets.slice(0, 4), [["seed", 0], ["steps", 20], ["cfg", 1], ["budget", 500]]);
assert.equal(widgets[4][0], "search_panel");
await play(page, 3, false);
const rows = await page.evaluate(async () => {
  await app.loadGraphData(JSON.parse(JSON.stringify(app.graph.serialize())));
  return document.querySelector("flow-search-panel").model.searches[0].rows.length;
});
assert.ok(rows > 2, "the panel shows a search that was saved");
await play(page, 4, true);
assert.ok(
  await page.evaluate(() => {
    const { id } = app.graph.nodes.find((node) => node.subgraph);
    const node = document.querySelector(`[data-node-id="${id}"]`);
    return node.contains(document.querySelector("flow-search-panel"));
  }),
  "the panel is in the node",
);
await browser.close();
assert.deepEqual(faults, []);
assert.deepEqual(outside, []);
