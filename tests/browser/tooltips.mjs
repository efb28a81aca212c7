/**
 * The tooltip of each input that a choice brings along (Field 20): in the classic renderer at its
 * name and at its value, as the pointer finds it there, and in Nodes 2.0 by the text that it shows.
 *
 *   node tooltips.mjs URL SCREENSHOTS NODE_MODULES CHROMIUM
 */

import assert from "node:assert/strict";
import { join } from "node:path";

import { change, launch, openPage, ready } from "../../tools/browser/front.mjs";

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

/** Tooltips by option and input as the server tells them. */
async function wanted(type, choice) {
  const info = (await (await fetch(`${url}/object_info/${type}`)).json())[type].input;
  const spec = (info.required[choice] ?? info.optional?.[choice])?.[1];
  const dynamic = (spec?.options ?? []).filter((option) => option?.inputs);
  return dynamic.map(({ key, inputs }) => {
    const found = Object.entries({ ...inputs.required, ...inputs.optional });
    return [key, found.map(([name, [, { tooltip }]]) => [`${choice}.${name}`, tooltip])];
  });
}

/** A new node on an empty canvas at its full size. */
function place(page, type) {
  return page.evaluate(async (type) => {
    app.graph.clear();
    const node = LiteGraph.createNode(type);
    node.pos = [100, 60];
    app.graph.add(node);
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [0, 0];
    await new Promise((then) => setTimeout(then, 100));
  }, type);
}

/** Choose, and see where the widgets are on the page. */
function choose(page, choice, key) {
  return page.evaluate(
    async ([choice, key]) => {
      const [node] = app.graph.nodes;
      node.widgets.find((widget) => widget.name === choice).value = key;
      node.setSize(node.computeSize());
      app.canvas.draw(true, true);
      await new Promise((then) => setTimeout(then, 150));
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

/** What the host shows of itself at a place of the canvas. */
async function pointed(page, x, y) {
  const shown = () =>
    page.evaluate(() => {
      const tip = document.querySelector(".node-tooltip");
      return tip && tip.style.display !== "none" ? tip.textContent : "";
    });
  await page.mouse.move(8, 600);
  await page.mouse.move(x, y);
  await page.mouse.move(x + 1, y);
  for (let i = 0; i < 10 && !(await shown()); i++) await page.waitForTimeout(40);
  return shown();
}

/** Every option of a choice in the classic renderer. */
async function classic(page, type, choice) {
  await place(page, type);
  let seen = 0;
  for (const [key, inputs] of await wanted(type, choice)) {
    const found = new Map(await choose(page, choice, key));
    for (const [name, tooltip] of inputs) {
      const widget = found.get(name);
      if (!widget) continue; // a socket
      const what = `${type} ${key} ${name}`;
      assert.equal(widget.tooltip, tooltip, what);
      seen += 1;
      if (widget.title !== null) {
        assert.equal(widget.title, tooltip, `${what}: a box of text is the page's own`);
        continue;
      }
      const [x, y, width] = widget.place;
      for (const part of [0.12, 0.7]) {
        assert.equal(await pointed(page, x + part * width, y), tooltip, `${what} at ${part}`);
      }
    }
  }
  return seen;
}

/** In Nodes 2.0 a widget's own tooltip is shown: every option has its own. */
async function nodes2(page, type, choice) {
  await place(page, type);
  for (const [key, inputs] of await wanted(type, choice)) {
    const found = new Map(await choose(page, choice, key));
    for (const [name, tooltip] of inputs) {
      if (found.has(name)) assert.equal(found.get(name).tooltip, tooltip, `${type} ${key} ${name}`);
    }
  }
}

/** That it is shown there, at the name of an input. */
async function hovered(page, name, key) {
  await place(page, "FlowSearchRewardLoader");
  await choose(page, "reward", key);
  const inputs = (await wanted("FlowSearchRewardLoader", "reward")).find(([own]) => own === key)[1];
  await page.getByText(name, { exact: true }).first().hover();
  const [, tooltip] = inputs.find(([own]) => own === `reward.${name}`);
  await page.locator(".p-tooltip", { hasText: tooltip }).waitFor();
}

/** A workflow that was loaded has them, too. */
async function loaded(page) {
  await place(page, "FlowSearchRewardLoader");
  await choose(page, "reward", "siglip_score");
  const told = await page.evaluate(async () => {
    await app.loadGraphData(app.graph.serialize());
    const [node] = app.graph.nodes;
    return node.widgets.map(({ name, value, tooltip }) => [name, value, tooltip]);
  });
  assert.equal(told[0][1], "siglip_score");
  const [, inputs] = (await wanted("FlowSearchRewardLoader", "reward")).find(
    ([key]) => key === "siglip_score",
  );
  assert.deepEqual(told.slice(1).map(([name, , tooltip]) => [name, tooltip]), inputs);
  const [, { place: at }] = (await choose(page, "reward", "siglip_score"))[1];
  assert.equal(await pointed(page, at[0] + 30, at[1]), inputs[0][1]);
}

const browser = await launch(tools, chromium);
const settings = {
  "Comfy.Locale": "en",
  "Comfy.VueNodes.Enabled": false,
  "LiteGraph.Node.TooltipDelay": 20,
};
const { page, faults } = await openPage(browser, url, settings);
try {
  const seen = {};
  for (const [type, choice] of CHOICES) {
    seen[`${type} ${choice}`] = await classic(page, type, choice);
  }
  assert.ok(seen["FlowSearchRewardLoader reward"] > 60, JSON.stringify(seen));
  assert.ok(seen["FlowSearchParticles method"] > 15, JSON.stringify(seen));
  await loaded(page);
  await page.screenshot({ path: join(shots, "tooltip_classic.png") });
  await change(page, "Comfy.VueNodes.Enabled", true);
  await page.reload();
  await ready(page);
  for (const [type, choice] of CHOICES) await nodes2(page, type, choice);
  await hovered(page, "checkpoint", "clip_score");
  await page.screenshot({ path: join(shots, "tooltip_nodes2.png") });
  assert.deepEqual(faults, []);
} catch (error) {
  await page.screenshot({ path: join(shots, "failed_tooltips.png") });
  console.error({ faults });
  throw error;
} finally {
  await browser.close();
}
