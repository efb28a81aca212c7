/**
 * How smooth the page stays while the panel shows a search of 1000 particles, and what goes over the
 * web socket. Prints the tables of panel.md. The demo model runs on the same machine meanwhile.
 *
 *   node benchmarks/panel.mjs URL NODE_MODULES CHROMIUM     (URL: of `python dev.py serve`)
 */

import { fileURLToPath } from "node:url";

import { change, drop, fit, launch, model, openPage, widget } from "../tools/browser/front.mjs";

const [url, tools, chromium] = process.argv.slice(2);
const NAME = "03 Rollover Budget Forcing looks for the right counts.json";
const WORKFLOW = fileURLToPath(new URL(`../example_workflows/${NAME}`, import.meta.url));
const BUDGET = 1000;

/** Processor time of the page's main thread so far, in seconds: what others do does not count. */
async function busy(devtools) {
  const { metrics } = await devtools.send("Performance.getMetrics");
  return metrics.find((metric) => metric.name === "TaskDuration").value;
}

/** Collect the times between frames on the page until told to stop. */
async function watch(page, devtools) {
  await page.evaluate(() => {
    const seen = (window.flowSearchFrames = { gaps: [], on: true });
    let last = performance.now();
    const frame = (now) => {
      seen.gaps.push(now - last);
      last = now;
      if (seen.on) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  devtools.from = await busy(devtools);
}

/** Frames, their median, 95 %, 99 % and longest time in ms, and the main thread's own seconds. */
async function watched(page, devtools) {
  const spent = (await busy(devtools)) - devtools.from;
  const gaps = await page.evaluate(() => {
    window.flowSearchFrames.on = false;
    return window.flowSearchFrames.gaps.slice(1).sort((a, b) => a - b);
  });
  const at = (part) => gaps[Math.floor(part * (gaps.length - 1))].toFixed(1);
  return [gaps.length, at(0.5), at(0.95), at(0.99), at(1), spent.toFixed(2)];
}

/** Frame times while a synthetic search of `count` particles arrives as the server would send it. */
async function fed(page, devtools, count, seconds) {
  await watch(page, devtools);
  await page.evaluate(
    async ([count, seconds]) => {
      const node = app.graph.nodes.find((node) => node.type === "FlowSearchRBF");
      const jpeg = await (async () => {
        const canvas = Object.assign(document.createElement("canvas"), { width: 96, height: 96 });
        canvas.getContext("2d").fillRect(10, 10, 50, 50);
        return canvas.toDataURL("image/jpeg", 0.75).split(",")[1];
      })();
      const sigmas = Array.from({ length: 11 }, (_, i) => 1 - i / 10);
      const base = {
        version: 1,
        node_id: String(node.id),
        prompt_id: `synthetic ${count}`,
        workflow: app.rootGraph.id,
      };
      const send = (more) =>
        app.api.dispatchCustomEvent("flow_search.event", {
          ...base,
          budget: count,
          spent: 0,
          seconds: 0,
          rows: [],
          ...more,
        });
      send({ kind: "start", method: "rbf", sigmas });
      const ticks = seconds * 10;
      const each = Math.ceil(count / ticks);
      for (let id = 0, tick = 0; id < count; tick++) {
        const rows = Array.from({ length: Math.min(each, count - id) }, (_, i) => ({
          id: id + i,
          parent: id + i > 25 ? id + i - 7 : null,
          path: (id + i) % 4,
          step: Math.floor(((id + i) / count) * 10),
          t: 0.5,
          kind: "propose",
          reward: Math.sin(id + i) - 100 / (id + i + 1),
          accepted: (id + i) % 10 === 0,
          nfe: id + i + 1,
        }));
        id += rows.length;
        const pictures = tick % 3 ? [] : [{ id: id - 1, jpeg, file: null }];
        send({ kind: "propose", rows, spent: id, seconds: tick / 10, pictures });
        await new Promise((then) => setTimeout(then, 1000 / 10));
      }
      send({ kind: "done", spent: count, seconds, stopped: "budget" });
    },
    [count, seconds],
  );
  return watched(page, devtools);
}

/** Milliseconds that the panel needs to draw everything once. */
function drawing(page) {
  return page.evaluate(() => {
    const panel = document.querySelector("flow-search-panel");
    const times = Array.from({ length: 20 }, () => {
      const from = performance.now();
      panel.draw();
      for (const view of panel.views) view.draw(view._search, view._words);
      return performance.now() - from;
    });
    return times.sort((a, b) => a - b)[10].toFixed(1);
  });
}

/** Frame times of a real search, and the sizes of the messages that it sent. */
async function real(page, devtools, seed) {
  await widget(page, "RandomNoise", "noise_seed", seed);
  await widget(page, "FlowSearchRBF", "budget", BUDGET);
  await page.evaluate(() => {
    window.flowSearchSizes = [];
    app.api.socket.addEventListener("message", ({ data }) => {
      if (String(data).includes('"flow_search.event"')) window.flowSearchSizes.push(data.length);
    });
  });
  await watch(page, devtools);
  const from = performance.now();
  await page.evaluate(() => app.queuePrompt(0, 1));
  await model(page, "model.running");
  await model(page, "!model.running", 900000);
  const seconds = (performance.now() - from) / 1000;
  const frames = await watched(page, devtools);
  return { frames, sizes: await page.evaluate(() => window.flowSearchSizes), seconds };
}

const line = (...cells) => console.log(`| ${cells.join(" | ")} |`);
const browser = await launch(tools, chromium);
const { page } = await openPage(browser, url, {
  "Comfy.VueNodes.Enabled": false,
  "Comfy.Locale": "en",
});
const devtools = await page.context().newCDPSession(page);
await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
await drop(page, WORKFLOW, "application/json");
await page.locator("flow-search-panel").waitFor();
await fit(page);

line("page", "frames", "median ms", "95 %", "99 %", "longest", "main thread, s");
line("---", "---", "---", "---", "---", "---", "---");
const sizes = [];
for (const [renderer, vue] of [
  ["classic", false],
  ["Nodes 2.0", true],
]) {
  await change(page, "Comfy.VueNodes.Enabled", vue);
  await page.waitForTimeout(2000);
  await watch(page, devtools);
  await page.waitForTimeout(10000);
  line(`${renderer}, 10 s at rest`, ...(await watched(page, devtools)));
  for (const count of [1000, 5000]) {
    line(`${renderer}, ${count} particles in 10 s`, ...(await fed(page, devtools, count, 10)));
    sizes.push([renderer, count, await drawing(page)]);
  }
}
const run = await real(page, devtools, Math.floor(Date.now() / 1000));
line(`Nodes 2.0, a real search of ${BUDGET} NFE`, ...run.frames);
console.log();
line("renderer", "particles", "one whole drawing, ms");
line("---", "---", "---");
for (const row of sizes) line(...row);
console.log();
line(
  "real search",
  "messages",
  "a second",
  "kB in all",
  "largest kB",
  "saved with the workflow, kB",
);
line("---", "---", "---", "---", "---", "---");
const saved = await page.evaluate(() => {
  const node = app.graph.serialize().nodes.find((node) => node.type === "FlowSearchRBF");
  return JSON.stringify(node.flow_search).length;
});
const kB = (bytes) => (bytes / 1000).toFixed(1);
const all = run.sizes.reduce((sum, size) => sum + size, 0);
line(
  `${BUDGET} NFE in ${run.seconds.toFixed(0)} s`,
  run.sizes.length,
  (run.sizes.length / run.seconds).toFixed(1),
  kB(all),
  kB(Math.max(...run.sizes)),
  kB(saved),
);
await browser.close();
