/**
 * The tooltip of each input that a choice adds (Field 20). In the classic renderer the pointer
 * shows it, at the names and at the values of inputs by turns; in Nodes 2.0 the widget has it.
 *
 *   node tooltips.mjs URL SCREENSHOTS NODE_MODULES CHROMIUM
 */

import assert from "node:assert/strict";
import { join } from "node:path";

import { change, launch, openPage } from "../../tools/browser/front.mjs";

const [url, shots, tools, chromium] = process.argv.slice(2);
const CHOICES = [
  ["FlowSearchRewardLoader", "reward"],
  ["FlowSearchParticles", "method"],
  ["FlowSearchRewardCombine", "mode"],
  ["FlowSearchScheduler", "interpolant"],
  ["FlowSearchVPSDESampler", "interpolant"],
  ["FlowSearchVPSDESampler", "guidance"],
  ["FlowSearchVPSDESampler", "kernel"],
  ["FlowSearchVPSDESampler", "diffusion"],
];

/** Tooltips by option and input, from the server. */
async function expectedTooltips(type, choice) {
  const info = (await (await fetch(`${url}/object_info/${type}`)).json())[type].input;
  const spec = (info.required[choice] ?? info.optional?.[choice])?.[1];
  const dynamic = (spec?.options ?? []).filter((option) => option?.inputs);
  return dynamic.map(({ key, inputs }) => {
    const entries = Object.entries({ ...inputs.required, ...inputs.optional });
    return [key, entries.map(([name, [, { tooltip }]]) => [`${choice}.${name}`, tooltip])];
  });
}

/** Put a new node on an empty canvas, at full size. */
function place(page, type) {
  return page.evaluate(async (type) => {
    app.graph.clear();
    const node = LiteGraph.createNode(type);
    node.pos = [100, 60];
    app.graph.add(node);
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [0, 0];
    await new Promise(requestAnimationFrame);
  }, type);
}

/** Choose an option. Returns the widgets with their places on the page. */
function choose(page, choice, key) {
  return page.evaluate(
    async ([choice, key]) => {
      const [node] = app.graph.nodes;
      node.widgets.find((widget) => widget.name === choice).value = key;
      node.setSize(node.computeSize());
      await new Promise(requestAnimationFrame);
      app.canvas.draw(true, true);
      const { left, top } = app.canvas.canvas.getBoundingClientRect();
      const at = ({ name, y, element, tooltip }) => {
        const place = [left + node.pos[0], top + node.pos[1] + y + 10, node.size[0]];
        return [name, { place, tooltip, title: element?.title ?? null }];
      };
      return node.widgets.map(at);
    },
    [choice, key],
  );
}

/** The tooltip that the host shows at a place of the canvas. */
async function pointed(page, x, y) {
  const shown = () =>
    page.evaluate(() => {
      const tip = document.querySelector(".node-tooltip");
      return tip && tip.style.display !== "none" ? tip.textContent : "";
    });
  await page.mouse.move(8, 600);
  await page.mouse.move(x, y);
  await page.mouse.move(x + 1, y);
  for (let i = 0; i < 40 && !(await shown()); i++) await page.waitForTimeout(10);
  return shown();
}

/** Every option of a choice in the classic renderer. */
async function classic(page, type, choice) {
  await place(page, type);
  let count = 0;
  for (const [key, inputs] of await expectedTooltips(type, choice)) {
    const widgets = new Map(await choose(page, choice, key));
    for (const [name, tooltip] of inputs) {
      const widget = widgets.get(name);
      if (!widget) continue; // a socket
      const label = `${type} ${key} ${name}`;
      assert.equal(widget.tooltip, tooltip, label);
      count += 1;
      if (widget.title !== null) {
        assert.equal(widget.title, tooltip, `${label}: the title of a text box`);
        continue;
      }
      const [x, y, width] = widget.place;
      const part = count % 2 ? 0.12 : 0.7;
      assert.equal(await pointed(page, x + part * width, y), tooltip, `${label} at ${part}`);
    }
  }
  return count;
}

/** Nodes 2.0 shows the tooltip of the widget. It belongs to the option. */
async function nodes2(page, type, choice) {
  await place(page, type);
  for (const [key, inputs] of await expectedTooltips(type, choice)) {
    const widgets = new Map(await choose(page, choice, key));
    for (const [name, tooltip] of inputs) {
      if (!widgets.has(name)) continue; // a socket
      assert.equal(widgets.get(name).tooltip, tooltip, `${type} ${key} ${name}`);
    }
  }
}

/** Nodes 2.0 shows the tooltip when the pointer is on the name of an input. */
async function hovered(page, name, key) {
  await place(page, "FlowSearchRewardLoader");
  await choose(page, "reward", key);
  const options = await expectedTooltips("FlowSearchRewardLoader", "reward");
  const [, inputs] = options.find(([option]) => option === key);
  await page.getByText(name, { exact: true }).first().hover();
  const [, tooltip] = inputs.find(([input]) => input === `reward.${name}`);
  await page.locator(".p-tooltip", { hasText: tooltip }).waitFor();
}

/** A loaded workflow has the tooltips, too. */
async function loaded(page) {
  await place(page, "FlowSearchRewardLoader");
  await choose(page, "reward", "siglip_score");
  const widgets = await page.evaluate(async () => {
    await app.loadGraphData(app.graph.serialize());
    const [node] = app.graph.nodes;
    const inputs = node.widgets.filter(({ name }) => name !== "group"); // a sentence, no input
    return inputs.map(({ name, value, tooltip }) => [name, value, tooltip]);
  });
  assert.equal(widgets[0][1], "siglip_score");
  const options = await expectedTooltips("FlowSearchRewardLoader", "reward");
  const [, inputs] = options.find(([key]) => key === "siglip_score");
  assert.deepEqual(widgets.slice(1).map(([name, , tooltip]) => [name, tooltip]), inputs);
  const [, { place: at }] = (await choose(page, "reward", "siglip_score"))[1];
  assert.equal(await pointed(page, at[0] + 30, at[1]), inputs[0][1]);
}

/** The sentence about the reward's group is whole on a new node. */
async function sentence(page) {
  await place(page, "FlowSearchRewardLoader");
  await page.evaluate(() => app.loadGraphData(app.graph.serialize()));
  const placed = () => {
    app.canvas.setDirty(true, true);
    const { element } = app.graph.nodes[0].widgets.find(({ name }) => name === "group");
    return element.clientWidth > 0 && element.clientWidth < 400 ? element : null;
  };
  const element = await page.waitForFunction(placed);
  await page.evaluate(() => {
    const menu = app.graph.nodes[0].widgets.find(({ name }) => name === "reward");
    menu.value = "text_reader"; // whose sentence is the longest
    menu.callback(menu.value);
  });
  await page.waitForTimeout(300);
  const cut = await element.evaluate((box) => [box.textContent, box.scrollHeight - box.clientHeight]);
  assert.deepEqual(cut, [cut[0], 0]);
  assert.match(cut[0], /quotes\.$/);
}

const browser = await launch(tools, chromium);
const settings = {
  "Comfy.Locale": "en",
  "Comfy.VueNodes.Enabled": false,
  "LiteGraph.Node.TooltipDelay": 20,
};
const { page, faults } = await openPage(browser, url, settings);
try {
  const counts = {};
  for (const [type, choice] of CHOICES) {
    counts[`${type} ${choice}`] = await classic(page, type, choice);
  }
  assert.ok(counts["FlowSearchRewardLoader reward"] > 60, JSON.stringify(counts));
  assert.ok(counts["FlowSearchParticles method"] > 15, JSON.stringify(counts));
  await loaded(page);
  await page.screenshot({ path: join(shots, "tooltip_classic.png") });
  await sentence(page);
  await change(page, "Comfy.VueNodes.Enabled", true);
  for (const [type, choice] of CHOICES) await nodes2(page, type, choice);
  await hovered(page, "checkpoint", "clip_score");
  await sentence(page);
  await page.screenshot({ path: join(shots, "tooltip_nodes2.png") });
  assert.deepEqual(faults, []);
} catch (error) {
  await page.screenshot({ path: join(shots, "failed_tooltips.png") });
  console.error({ faults });
  throw error;
} finally {
  await browser.close();
}
