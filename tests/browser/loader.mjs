/**
 * A new Reward Model Loader in the real front-end, before any reward has a file: the values of its
 * widgets, and the error of a reward that needs a file. Prints JSON.
 *
 *   node loader.mjs URL NODE_MODULES CHROMIUM
 */

import { launch, openPage } from "../../tools/browser/front.mjs";

const [url, tools, chromium] = process.argv.slice(2);

/** The values of the loader's widgets, and the inputs that are sent for it. */
function loaderState(page) {
  return page.evaluate(async () => {
    const node = app.graph.nodes.find((node) => node.type === "FlowSearchRewardLoader");
    const widgets = Object.fromEntries(node.widgets.map(({ name, value }) => [name, value]));
    const { output } = await app.graphToPrompt();
    return { widgets, inputs: output[node.id].inputs };
  });
}

const browser = await launch(tools, chromium);
try {
  const { page } = await openPage(browser, url, {});
  await page.evaluate(() => {
    app.graph.clear();
    const [loader, score, image, shown] = [
      "FlowSearchRewardLoader",
      "FlowSearchRewardScore",
      "EmptyImage",
      "PreviewImage",
    ].map((kind) => app.graph.add(LiteGraph.createNode(kind)) ?? app.graph.nodes.at(-1));
    const place = (node, name) => node.inputs.findIndex((input) => input.name === name);
    image.connect(0, score, place(score, "images"));
    loader.connect(0, score, place(score, "reward"));
    score.connect(1, shown, 0);
    score.widgets.find(({ name }) => name === "prompt").value = "a red cat";
  });
  const first = await loaderState(page);
  const answers = [];
  page.on("response", (response) => {
    if (response.url().endsWith("/prompt")) answers.push(response.status());
  });
  const rewards = {};
  for (const name of ["hps_v3", "aesthetic_v2_5", "clip_score"]) {
    await page.evaluate((name) => {
      const node = app.graph.nodes.find((node) => node.type === "FlowSearchRewardLoader");
      const widget = node.widgets.find((widget) => widget.name === "reward");
      widget.value = name;
      widget.callback?.(name);
    }, name);
    await page.waitForTimeout(300);
    rewards[name] = await loaderState(page);
  }
  const failed = page.evaluate(
    () =>
      new Promise((resolve) => {
        app.api.addEventListener("execution_error", ({ detail }) => {
          resolve(detail.exception_message);
        });
      }),
  );
  await page.evaluate(() => app.queuePrompt(0, 1));
  process.stdout.write(`\n${JSON.stringify({ first, rewards, answers, error: await failed })}\n`);
} finally {
  await browser.close();
}
