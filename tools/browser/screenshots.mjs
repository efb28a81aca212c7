/**
 * Runs each workflow of a folder in the real front-end and takes a screenshot of it at full size.
 * With --panel it then runs the demo workflow with three paths, and takes screenshots of its panel:
 * frames while the search runs, and one with a highlighted particle after it.
 *
 *   node screenshots.mjs URL FOLDER NODE_MODULES CHROMIUM [--panel]
 *     (X.json -> X.png; frame-000.png, frame-001.png, …; panel.png)
 */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { change, drop, launch, model, openPage, run, widget } from "./front.mjs";

const [url, folder, tools, chromium, panel] = process.argv.slice(2);
const [MARGIN, LEFT, TOP] = [12, 80, 60];
const PAUSE = 50; // ms between two frames, which take about a second each
const settings = {
  "Comfy.Locale": "en",
  "Comfy.ColorPalette": "dark",
  "Comfy.VueNodes.Enabled": false,
  "Comfy.NodeBadge.NodeSourceBadgeMode": "None",
  "Comfy.Graph.CanvasInfo": false,
  "Comfy.Minimap.Visible": false,
};

/** Show all nodes at full size from LEFT, TOP. Returns their rectangle on the page. */
function place(page) {
  return page.evaluate(
    async ([margin, left, top]) => {
      const boxes = app.graph.nodes.map((node) => node.boundingRect);
      const [x, y] = [0, 1].map((i) => Math.min(...boxes.map((box) => box[i])) - margin);
      const [to, down] = [0, 1].map((i) => Math.max(...boxes.map((b) => b[i] + b[i + 2])) + margin);
      app.canvas._pattern = undefined; // no grid: it takes a third of the bytes
      app.canvas.background_image = undefined;
      app.canvas.ds.scale = 1;
      app.canvas.ds.offset = [left - x, top - y];
      app.canvas.setDirty(true, true);
      await new Promise((then) => setTimeout(then, 1000));
      return { x: left, y: top, width: to - x, height: down - y };
    },
    [MARGIN, LEFT, TOP],
  );
}

const browser = await launch(tools, chromium);
const { page } = await openPage(browser, url, settings);
await page.setViewportSize({ width: 900, height: 1600 });
await page.evaluate(() => app.extensionManager.command.execute("Workspace.ToggleFocusMode"));
for (const file of readdirSync(folder).filter((name) => name.endsWith(".json"))) {
  await drop(page, join(folder, file), "application/json");
  await page.waitForTimeout(1000);
  await run(page);
  await page.waitForTimeout(3000); // images load and panels draw
  const clip = await place(page);
  await page.screenshot({ path: join(folder, file.replace(".json", ".png")), clip });
}
if (panel === "--panel") await demo();
await browser.close();

/** The panel, enlarged: while it searches, and at the end with a highlighted particle. */
async function demo() {
  const name = "03 Rollover Budget Forcing looks for the right counts.json";
  const file = new URL(`../../example_workflows/${name}`, import.meta.url);
  await drop(page, fileURLToPath(file), "application/json");
  await change(page, "Comfy.ColorPalette", "light");
  await change(page, "Comfy.VueNodes.Enabled", true);
  await page.waitForTimeout(1000);
  const settings = { budget: 560, init_particles: 4, paths: 3, stop_at_maximum: false };
  for (const [name, value] of Object.entries(settings)) {
    await widget(page, "FlowSearchRBF", name, value);
  }
  await page.evaluate(() => {
    const node = app.graph.nodes.find((node) => node.type === "FlowSearchRBF");
    app.canvas.ds.scale = 1.5;
    app.canvas.ds.offset = [40 - node.pos[0], 40 - node.pos[1]];
    app.canvas.setDirty(true, true);
  });
  await page.setViewportSize({ width: 800, height: 2000 });
  const shown = page.locator("flow-search-panel");
  await film(shown);
  await shown.locator("flow-search-chart [role=slider]").press("End");
  await page.waitForTimeout(500);
  await shown.screenshot({ path: join(folder, "panel.png") });
}

/** Run the workflow, and take a frame of the panel at each pause until its end. */
async function film(shown) {
  let ended = false;
  const running = run(page).then(() => (ended = true));
  await model(page, "model.searches.length > 0");
  for (let i = 0; !ended; i++) {
    await shown.screenshot({ path: join(folder, `frame-${String(i).padStart(3, "0")}.png`) });
    await page.waitForTimeout(PAUSE);
  }
  await running;
  await page.waitForTimeout(3000);
  await shown.screenshot({ path: join(folder, "frame-999.png") });
}
