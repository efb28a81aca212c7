/**
 * A Chinese page shows the node's own English where a Chinese text is missing: on the node, in its
 * tooltips and in its help. The texts are taken out of what the server answers.
 *
 *   node chinese.mjs URL SCREENSHOTS NODE_MODULES CHROMIUM
 */

import assert from "node:assert/strict";
import { join } from "node:path";

import { launch, openPage, ready } from "../../tools/browser/front.mjs";

const [url, shots, tools, chromium] = process.argv.slice(2);
const TYPE = "FlowSearchParticles";
const [CUT, FOLDER] = ["/extensions/weird/", "/extensions/weird.name-1/"];
const CHINESE = /[\u4e00-\u9fff]/;

/** The nodes' texts with all that is Chinese but the title and two inputs of one node. */
async function withoutMost(route) {
  const response = await route.fetch();
  const texts = await response.json();
  const { display_name, inputs } = texts.zh.nodeDefs[TYPE];
  texts.zh.nodeDefs = {
    [TYPE]: { display_name, inputs: { budget: inputs.budget, method_paths: inputs.method_paths } },
  };
  await route.fulfill({ response, json: texts });
}

/** What a new node shows: its title, its inputs by name, its outputs. */
function shown(page) {
  return page.evaluate((type) => {
    app.graph.clear();
    const node = LiteGraph.createNode(type);
    node.pos = [400, 200];
    app.graph.add(node);
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [0, 0];
    const labels = node.widgets.filter(({ label }) => label).map(({ name, label }) => [name, label]);
    const outputs = node.outputs.map((slot) => slot.label ?? slot.localized_name ?? slot.name);
    const { description } = node.constructor.nodeData;
    return { title: node.title, description, inputs: Object.fromEntries(labels), outputs };
  }, TYPE);
}

/** The tooltip at the name of a widget, in the classic renderer. */
async function tooltip(page, name) {
  const [x, y] = await page.evaluate(async (name) => {
    const [node] = app.graph.nodes;
    node.setSize(node.computeSize());
    app.canvas.draw(true, true);
    await new Promise((then) => setTimeout(then, 150));
    const { left, top } = app.canvas.canvas.getBoundingClientRect();
    const widget = node.widgets.find((widget) => widget.name === name);
    return [left + node.pos[0] + 30, top + node.pos[1] + widget.y + 10];
  }, name);
  const tip = page.locator(".node-tooltip");
  await page.mouse.move(8, 600);
  await tip.waitFor({ state: "hidden" });
  await page.mouse.move(x, y);
  await page.mouse.move(x + 1, y);
  await tip.waitFor({ state: "visible" });
  return tip.textContent();
}

/** The first line of the node's help, as its button opens it. */
async function help(page) {
  await page.evaluate(() => app.canvas.selectItems([app.graph.nodes[0]]));
  await page.getByTestId("info-button").click();
  return page.locator(".node-help-content h1").first().textContent();
}

const browser = await launch(tools, chromium);
const settings = {
  "Comfy.Locale": "zh",
  "Comfy.VueNodes.Enabled": false,
  "LiteGraph.Node.TooltipDelay": 20,
};
const { page, faults } = await openPage(browser, url, settings);
try {
  const info = (await (await fetch(`${url}/object_info/${TYPE}`)).json())[TYPE];
  const chinese = await shown(page);
  // The front-end cuts the pack's folder at its first dot when it looks for the help.
  const whole = (route) => route.continue({ url: route.request().url().replace(CUT, FOLDER) });
  await page.route(`**${CUT}docs/**`, whole);
  const texts = [chinese.title, chinese.description, ...Object.values(chinese.inputs)];
  for (const text of texts) assert.match(text, CHINESE);
  assert.equal(await help(page), chinese.title);

  await page.route("**/i18n", withoutMost);
  await page.route(`**/docs/${TYPE}/zh.md`, (route) => route.fulfill({ status: 404 }));
  await page.reload();
  await ready(page);
  const mixed = await shown(page);
  assert.equal(mixed.title, chinese.title);
  assert.equal(mixed.description, info.description);
  assert.deepEqual(mixed.outputs, info.output_name);
  assert.ok(Object.keys(mixed.inputs).length > 10);
  for (const [name, label] of Object.entries(mixed.inputs)) {
    const translated = ["budget", "method.paths"].includes(name);
    assert.equal(label, translated ? chinese.inputs[name] : name.split(".").at(-1), name);
  }
  assert.match(await tooltip(page, "budget"), CHINESE);
  assert.equal(await tooltip(page, "top_k"), info.input.required.top_k[1].tooltip);
  assert.equal(await help(page), info.display_name);
  await page.screenshot({ path: join(shots, "chinese.png") });
  const others = faults.filter((fault) => !fault.endsWith(`/docs/${TYPE}/zh.md`));
  assert.deepEqual(others, []);
} catch (error) {
  await page.screenshot({ path: join(shots, "failed_chinese.png") });
  console.error({ faults });
  throw error;
} finally {
  await browser.close();
}
