/** Drives ComfyUI's front-end in a headless Chromium, for tests, help pictures and a benchmark. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** Console messages that come from the host or from any page. */
const HOSTS = /status of 404|legacy queue|accessed before initialization|deprecated|huggingface\.co/;

export async function launch(tools, chromium) {
  const playwright = createRequire(`${tools}/`)("playwright-core");
  const args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
  return playwright.chromium.launch({ executablePath: chromium, args });
}

/** A page with ComfyUI, its `faults` (console errors) and its requests to `outside` addresses. */
export async function openPage(browser, url, settings) {
  const usual = { "Comfy.TutorialCompleted": true, "Comfy.RightSidePanel.IsOpen": false };
  await put(url, { ...usual, ...settings });
  const page = await browser.newPage({ viewport: { width: 1500, height: 1000 } });
  page.setDefaultTimeout(120000); // the machine may be busy
  const [faults, outside] = [[], []];
  page.on("pageerror", (error) => faults.push(String(error.stack ?? error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !HOSTS.test(message.text())) faults.push(message.text());
  });
  page.on("response", (response) => {
    const ours = /\/extensions\/(?!core\/)|\/view\?|\/flow_search\//.test(response.url());
    if (ours && response.status() >= 400) faults.push(`${response.status()}: ${response.url()}`);
  });
  page.on("request", (request) => {
    const [to, from] = [request.url(), request.frame().url()];
    if (!/^(data|blob):/.test(to) && !to.startsWith(url)) outside.push(`${from}: ${to}`);
  });
  await page.goto(url);
  await ready(page);
  return { page, faults, outside };
}

/** Save settings of the user on the server. */
export async function put(url, settings) {
  const headers = { "Content-Type": "application/json" };
  await fetch(`${url}/settings`, { method: "POST", headers, body: JSON.stringify(settings) });
}

/** Change a setting in the page, as the settings dialog does. */
export function change(page, id, value) {
  return page.evaluate(([id, value]) => app.extensionManager.setting.set(id, value), [id, value]);
}

export async function ready(page) {
  await page.waitForFunction(
    () => window.app?.graph && app.extensionManager && document.querySelector("#graph-canvas"),
  );
  await page.waitForFunction(() => !document.querySelector("#splash-loader") && app.vueAppReady);
  await page.waitForTimeout(500);
}

/** Drag a file onto the canvas. */
export async function drop(page, path, type) {
  const data = readFileSync(path).toString("base64");
  const name = path.split(/[\\/]/).at(-1);
  await page.evaluate(
    ([data, name, type]) => {
      const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([bytes], name, { type }));
      const canvas = document.querySelector("#graph-canvas");
      const options = { dataTransfer, bubbles: true, cancelable: true, clientX: 400, clientY: 300 };
      for (const kind of ["dragenter", "dragover", "drop"]) {
        canvas.dispatchEvent(new DragEvent(kind, options));
      }
    },
    [data, name, type],
  );
}

export function fit(page) {
  return page.evaluate(() => app.extensionManager.command.execute("Comfy.Canvas.FitView"));
}

/** Run the workflow on the canvas to its end. */
export function run(page) {
  return page.evaluate(async () => {
    const ended = new Promise((then) =>
      app.api.addEventListener("execution_success", then, { once: true }),
    );
    await app.queuePrompt(0, 1);
    await ended;
  });
}

/** Set a widget of the first node of a type, also inside subgraphs. */
export function widget(page, type, name, value) {
  return page.evaluate(
    ([type, name, value]) => {
      const graphs = [app.rootGraph, ...app.rootGraph.subgraphs.values()];
      const nodes = graphs.flatMap((graph) => graph.nodes);
      const node = nodes.find((node) => node.type === type);
      node.widgets.find((widget) => widget.name === name).value = value;
    },
    [type, name, value],
  );
}

/** Put the first node of a type into a new subgraph. */
export function enclose(page, type) {
  return page.evaluate((type) => {
    const node = app.rootGraph.nodes.find((node) => node.type === type);
    app.rootGraph.convertToSubgraph(new Set([node]));
  }, type);
}

/** Open the first subgraph. */
export async function enter(page) {
  await page.evaluate(() => {
    const node = app.rootGraph.nodes.find((node) => node.subgraph);
    app.canvas.openSubgraph(node.subgraph, node);
  });
  await page.waitForTimeout(1000);
  await fit(page);
}

/** Wait until the panel's model passes a test: the text of an expression with `model`. */
export function model(page, passes, timeout = 180000) {
  return page.waitForFunction(
    (passes) => {
      const model = document.querySelector("flow-search-panel")?.model;
      return model && new Function("model", `return ${passes}`)(model);
    },
    passes,
    { timeout },
  );
}
