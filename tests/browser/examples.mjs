/**
 * The example workflows in the real front-end: the template browser lists them in order, each with
 * its own image, and each opens without a missing node. Prints JSON: for each name what the page
 * would queue. Screenshots go to SHOTS; those of the examples only with FLOW_SEARCH_SHOTS set.
 *
 *   node examples.mjs URL PACK SHOTS NODE_MODULES CHROMIUM     (PACK: the pack's folder in the server)
 */

import assert from "node:assert/strict";
import { join } from "node:path";

import { fit, launch, openPage } from "../../tools/browser/front.mjs";

const [url, pack, shots, tools, chromium] = process.argv.slice(2);

/** Open an example as the template browser does. Returns what is wrong, and what would be queued. */
function open(page, name) {
  return page.evaluate(
    async ([pack, name]) => {
      const file = `/workflow_templates/${pack}/${encodeURIComponent(name)}.json`;
      const workflow = await (await app.api.fetchApi(file)).json();
      await app.loadGraphData(workflow, true, true, name);
      const types = app.graph.nodes.map((node) => node.type);
      const missing = types.filter((type) => !LiteGraph.registered_node_types[type]);
      const { output } = await app.graphToPrompt();
      const inputs = ({ class_type, inputs }) => ({ class_type, inputs });
      const entries = Object.entries(output).map(([id, node]) => [id, inputs(node)]);
      return {
        missing,
        count: [app.graph.nodes.length, workflow.nodes.length],
        queued: Object.fromEntries(entries),
      };
    },
    [pack, name],
  );
}

const browser = await launch(tools, chromium);
try {
  const { page, faults } = await openPage(browser, url, { "Comfy.VueNodes.Enabled": false });
  await page.evaluate(() => app.extensionManager.command.execute("Comfy.BrowseTemplates"));
  await page.getByText(pack, { exact: true }).first().click();
  const images = page.locator("[data-testid^='template-workflow-'] img");
  await images.first().waitFor();
  const names = await page.evaluate(() => {
    const cards = [...document.querySelectorAll("[data-testid^='template-workflow-']")];
    return cards.map((card) => card.dataset.testid.replace("template-workflow-", ""));
  });
  assert.ok(names.length > 10);
  assert.deepEqual(names, names.toSorted());
  await page.waitForTimeout(1000); // the images load
  await page.screenshot({ path: join(shots, "templates.png") });
  await page.keyboard.press("Escape");
  await page.setViewportSize({ width: 2400, height: 1400 }); // at half its size a node has no text
  const queued = {};
  for (const name of names) {
    const found = await open(page, name);
    assert.deepEqual(found.missing, [], name);
    assert.equal(...found.count, name);
    queued[name] = found.queued;
    if (!process.env.FLOW_SEARCH_SHOTS) continue;
    await fit(page);
    await page.waitForTimeout(400);
    await page.screenshot({ path: join(shots, `${name}.png`) });
  }
  assert.deepEqual(faults, []);
  process.stdout.write(`\n${JSON.stringify(queued)}\n`);
} finally {
  await browser.close();
}
