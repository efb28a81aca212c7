/**
 * From the stock text-to-image workflow to a search, as a user goes there, in both renderers. Nodes
 * added or swapped, wires, numbers and prompts typed are counted.
 *
 *   node swap.mjs URL STOCK.json SCREENSHOTS NODE_MODULES CHROMIUM
 */

import assert from "node:assert/strict";
import { join } from "node:path";

import { change, drop, fit, launch, model, openPage, run } from "../../tools/browser/front.mjs";

const [url, workflow, shots, tools, chromium] = process.argv.slice(2);
const SEARCH = "FlowSearchKSampler";

/** A place on the page inside the title of a node. */
function titleOf(page, type) {
  return page.evaluate((type) => {
    const node = app.graph.nodes.find((node) => node.type === type);
    const { ds, canvas } = app.canvas;
    const box = canvas.getBoundingClientRect();
    const place = [node.pos[0] + 60, node.pos[1] - 15];
    return place.map((v, i) => (v + ds.offset[i]) * ds.scale + [box.x, box.y][i]);
  }, type);
}

/** What the user does, each with what it counts as. Every function returns that. */
const user = {
  /** Choose an entry of a node's menu, by the mouse. A busy page may miss the first click. */
  async choose(page, type, entry) {
    await fit(page);
    const item = page.getByText(entry, { exact: true }).first();
    for (let tries = 0; !(await item.isVisible()) && tries < 20; tries++) {
      await page.waitForTimeout(500);
      const [x, y] = await titleOf(page, type);
      await page.mouse.click(x, y, { button: "right" });
      for (let i = 0; i < 20 && !(await item.isVisible()); i++) await page.waitForTimeout(50);
    }
    await item.click();
    await page.waitForFunction((type) => !app.graph.nodes.some((n) => n.type === type), type);
    return "nodes";
  },
  async add(page, type) {
    await page.evaluate((type) => {
      const node = LiteGraph.createNode(type);
      node.pos = [0, 500];
      app.graph.add(node);
    }, type);
    return "nodes";
  },
  /** Draw a wire from an output to an input, by their names. */
  async wire(page, from, output, to, input) {
    await page.evaluate(
      ([from, output, to, input]) => {
        const node = (type) => app.graph.nodes.find((node) => node.type === type);
        const slot = node(from).outputs.findIndex((slot) => slot.type === output);
        const target = node(to).inputs.findIndex((slot) => slot.name === input);
        if (!node(from).connect(slot, node(to), target)) throw new Error(`no wire to ${input}`);
      },
      [from, output, to, input],
    );
    return "wires";
  },
  /** Set a widget as its control does. */
  async set(page, type, name, value) {
    await page.evaluate(
      ([type, name, value]) => {
        const node = app.graph.nodes.find((node) => node.type === type);
        const widget = node.widgets.find((widget) => widget.name === name);
        widget.value = value;
        widget.callback?.(value);
      },
      [type, name, value],
    );
    return typeof value === "number" ? "numbers" : "prompts";
  },
};

/** Wait for the label of the effort: what the canvas draws, and what a page of Nodes 2.0 shows. */
async function labelled(page, expected) {
  let label = null;
  for (let i = 0; i < 40; i++) {
    label = await labelOf(page);
    if (label === expected) return;
    await page.waitForTimeout(50);
  }
  assert.equal(label, expected);
}

function labelOf(page) {
  return page.evaluate((type) => {
    const node = app.graph.nodes.find((node) => node.type === type);
    const { label } = node.widgets.find((widget) => widget.name === "effort");
    if (!LiteGraph.vueNodesMode) return label;
    const texts = [...document.querySelectorAll("[data-node-id] *")].map((e) => e.textContent);
    return texts.includes(label) ? label : `not shown: ${label}`;
  }, SEARCH);
}

/** What is linked and typed around the node of a type. */
function around(page, type) {
  return page.evaluate((type) => {
    const { graph } = app;
    const node = graph.nodes.find((node) => node.type === type);
    const title = (id) => graph.getNodeById(id).title;
    const link = (id) => graph.getLink?.(id) ?? graph.links[id];
    const inputs = node.inputs.filter((input) => input.link != null);
    return {
      inputs: Object.fromEntries(
        inputs.map(({ name, link: id }) => [name, [title(link(id).origin_id), link(id).origin_slot]]),
      ),
      outputs: node.outputs[0].links.map((id) => title(link(id).target_id)),
      values: Object.fromEntries(node.widgets.map(({ name, value }) => [name, value])),
      pos: [...node.pos],
    };
  }, type);
}

/** Compare lays the result over KSampler's own image. The keys move the slider between them. */
async function compare(page, name) {
  const panel = page.locator("flow-search-panel");
  await panel.locator("button.compare").press("Enter"); // a node of the workflow may lie over it
  const both = panel.locator("dialog[open] .compare");
  await both.waitFor();
  const decoded = await both.locator("img").evaluateAll((images) =>
    Promise.all(images.map((image) => image.decode().then(() => image.naturalWidth))),
  );
  assert.deepEqual(decoded, [64, 64]);
  const [cut, labels] = [() => both.evaluate((e) => e.style.getPropertyValue("--cut")), both.locator("b")];
  assert.match((await labels.allTextContents()).join(), /^without search -?[\d.]+,Result -?[\d.]+$/);
  assert.equal(await cut(), "50%");
  for (let i = 0; i < 20; i++) await page.keyboard.press("ArrowRight"); // the slider has the focus
  assert.equal(await cut(), "70%");
  await page.screenshot({ path: join(shots, `compare_${name}.png`) });
  const { x, y, width, height } = await both.boundingBox();
  await page.mouse.click(x + 0.2 * width, y + height / 2);
  assert.ok(Math.abs(parseInt(await cut()) - 20) <= 2, await cut());
  await page.keyboard.press("Escape");
  await both.waitFor({ state: "hidden" });
}

/** Pixels of the panel that its node cuts off, and how its film scrolls. */
function room(page) {
  return page.evaluate(() => {
    const panel = document.querySelector("flow-search-panel");
    const film = panel.shadowRoot.querySelector("flow-search-film").shadowRoot.querySelector("ol");
    const { overflowX, overflowY } = getComputedStyle(film);
    return [Math.max(0, panel.scrollHeight - panel.clientHeight), overflowX, overflowY];
  });
}

/** The nodes that the search covers. */
function covered(page) {
  return page.evaluate((type) => {
    const box = ({ pos: [x, y], size: [width, height] }) => [x, y - 30, x + width, y + height];
    const [left, top, right, bottom] = box(app.graph.nodes.find((node) => node.type === type));
    const others = app.graph.nodes.filter((node) => node.type !== type);
    return others
      .filter((node) => {
        const [x0, y0, x1, y1] = box(node);
        return x0 < right && left < x1 && y0 < bottom && top < y1;
      })
      .map((node) => node.title);
  }, SEARCH);
}

async function play(page, seed, vue) {
  await change(page, "Comfy.VueNodes.Enabled", vue);
  await drop(page, workflow, "application/json");
  await page.waitForFunction(() => app.graph.nodes.some((node) => node.type === "KSampler"));
  await page.waitForTimeout(1000);
  const counts = { nodes: 0, wires: 0, numbers: 0, prompts: 0 };
  const act = async (name, ...words) => counts[await user[name](page, ...words)]++;
  const before = await around(page, "KSampler");
  await act("choose", "KSampler", "Replace with Search KSampler");
  const after = await around(page, SEARCH);
  const { vae: decoder, ...kept } = after.inputs;
  assert.deepEqual([kept, after.outputs], [before.inputs, before.outputs]);
  assert.deepEqual(decoder, ["Demo Flow Model Loader", 2], "the VAE of the decoder");
  assert.deepEqual({ ...after.values, ...before.values }, after.values, "values stay");
  assert.ok(Object.keys(before.inputs).length === 4 && before.outputs.length === 1);
  await labelled(page, "effort (100 evaluations)");
  await act("add", "FlowSearchRewardLoader");
  await act("wire", "FlowSearchRewardLoader", "FLOW_REWARD", SEARCH, "reward");
  await act("set", SEARCH, "effort", 5);
  await labelled(page, "effort (20 evaluations)");
  const prompt = `${seed} red circles`;
  await act("set", "CLIPTextEncode", "text", prompt);
  await fit(page);
  await run(page);
  await model(page, "!model.running && model.searches[0].rows.length > 2");
  await page.waitForTimeout(1000);
  await page.screenshot({ path: join(shots, `swap_${vue ? "nodes2" : "classic"}.png`) });
  assert.deepEqual(await room(page), [0, "auto", "hidden"]);
  await compare(page, vue ? "nodes2" : "classic");
  const used = await page.evaluate(async () => {
    const runs = Object.values(await (await app.api.fetchApi("/history")).json());
    const last = runs.reduce((a, b) => (a.prompt[0] > b.prompt[0] ? a : b));
    const output = Object.values(last.outputs).find((each) => each.flow_search_report);
    const { settings, spent } = JSON.parse(output.flow_search_report[0]);
    return { prompt: settings.prompt, budget: settings.budget, spent: spent.nfe };
  });
  assert.equal(used.prompt, prompt);
  assert.equal(used.budget, 20);
  const reloaded = await page.evaluate(async () => {
    const saved = app.graph.serialize();
    await app.loadGraphData(saved);
    return JSON.stringify(saved);
  });
  assert.doesNotMatch(reloaded, /evaluations\)/, "the number is not saved");
  await labelled(page, "effort (20 evaluations)");
  assert.deepEqual(counts, { nodes: 2, wires: 1, numbers: 1, prompts: 1 });
  assert.deepEqual(await covered(page), [], "the panel covers no node");
}

/** A KSampler inside a subgraph is swapped as well: its links lead to the border. */
async function inside(page) {
  await drop(page, workflow, "application/json");
  await page.waitForTimeout(1000);
  const [before, after] = await page.evaluate(async () => {
    const node = app.graph.nodes.find((node) => node.type === "KSampler");
    app.graph.convertToSubgraph(new Set([node]));
    const { subgraph } = app.graph.nodes.find((node) => node.subgraph);
    const links = () => {
      const [{ inputs, outputs }] = subgraph.nodes;
      const linked = inputs.filter((input) => input.link != null).map((input) => input.name);
      return [...linked, outputs[0].links.length];
    };
    const before = links();
    const items = app.collectNodeMenuItems(subgraph.nodes[0]);
    items.find((item) => item?.content === "Replace with Search KSampler").callback();
    return [before, [...links(), subgraph.nodes.length, subgraph.nodes[0].type]];
  });
  assert.ok(before.length >= 5); // four wires in, at least, and one out
  assert.deepEqual(after, [...before, 1, SEARCH]);
}

const browser = await launch(tools, chromium);
const settings = { "Comfy.Locale": "en", "Comfy.VueNodes.Enabled": false };
const { page, faults, outside } = await openPage(browser, url, settings);
await play(page, "two", false);
await play(page, "three", true);
await inside(page);
await browser.close();
assert.deepEqual(faults, []);
assert.deepEqual(outside, []);
