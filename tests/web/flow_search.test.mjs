/** The extension, with stand-ins for ComfyUI's page and for the server. */

import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

import { replayText } from "../../web/lib/replay_report.js";

const WEB = fileURLToPath(new URL("../../web/", import.meta.url));
const GOLDEN = JSON.parse(readFileSync(new URL("golden_events.json", import.meta.url), "utf-8"));
const MESSAGES = GOLDEN.rbf.messages.map((message) => ({ ...message.data, node_id: "9" }));

/** A search node as the front-end makes it; `panel` is the element that the extension adds. */
function searchNode(id) {
  const widgets = [{ name: "replay", value: "" }];
  const node = { id, comfyClass: "FlowSearchRBF", size: [300, 100], panel: null, widgets };
  const addDOMWidget = (name, type, panel) => (node.panel = panel) && {};
  return Object.assign(node, { addDOMWidget, computeSize: () => [300, 100], setSize() {} });
}

/** The extension loaded into a page. `answers` are the server's answers by route. */
async function page(t, answers = {}) {
  const home = mkdtempSync(join(tmpdir(), "flow_search_"));
  t.after(() => rmSync(home, { recursive: true }));
  cpSync(WEB, join(home, "extensions", "pack"), { recursive: true });
  mkdirSync(join(home, "scripts"));
  writeFileSync(join(home, "package.json"), '{"type": "module"}');
  for (const name of ["api", "app"]) {
    const text = `export const ${name} = globalThis.comfy.${name};`;
    writeFileSync(join(home, "scripts", `${name}.js`), text);
  }
  const host = { captured: 0, stopFailed: false, extension: null };
  const changeTracker = { checkState: () => (host.captured += 1) };
  host.app = {
    extensionManager: { workflow: { activeWorkflow: { changeTracker } } },
    registerExtension: (extension) => (host.extension = extension),
  };
  const fetchApi = async (route) => ({ ok: route in answers, json: async () => answers[route] });
  host.api = Object.assign(new EventTarget(), { clientId: "me", apiURL: String, fetchApi });
  host.open = (id, node, configure = () => {}) => {
    const nodes = (host.nodes = new Map([[node, searchNode(node)]]));
    host.app.rootGraph = { id, getNodeById: (node) => nodes.get(node) };
    nodes.forEach((node) => {
      host.extension.nodeCreated(node);
      configure(node);
    });
    host.extension.afterConfigureGraph();
    return [...nodes.values()].map((node) => node.panel);
  };
  host.say = (type, detail) =>
    host.api.dispatchEvent(Object.assign(new Event(type), { detail }));
  host.settled = () => new Promise((then) => setTimeout(then, 20));
  const createElement = () =>
    Object.assign(new EventTarget(), {
      model: null,
      stopFailed: () => (host.stopFailed = true),
      redraw: () => (host.drawn = (host.drawn ?? 0) + 1),
    });
  const elements = { get: () => true };
  Object.assign(globalThis, { comfy: host, document: { createElement }, customElements: elements });
  await import(pathToFileURL(join(home, "extensions", "pack", "flow_search.js")));
  host.extension.setup();
  return host;
}

test("a search that ended in another tab is shown, but not captured, when its graph opens", async (t) => {
  const host = await page(t);
  const [other] = host.open("workflow-2", 9);
  for (const message of MESSAGES) host.say("flow_search.event", message);
  assert.equal(other.model, null);
  const [panel] = host.open("workflow-1", 9);
  assert.equal(panel.model.searches[0].stopped, "budget");
  assert.equal(host.captured, 0);
  for (const message of MESSAGES) host.say("flow_search.event", message);
  assert.equal(host.captured, 1);
});

const OUTPUT = { flow_search_report: [JSON.stringify(GOLDEN.rbf.report)] };
const queued = (prompt, workflow) => [0, prompt, {}, { extra_pnginfo: { workflow } }, []];

test("a report that is sent again is shown only in the workflow of its prompt", async (t) => {
  const answers = { "/queue": { queue_running: [queued("prompt-2", { id: "workflow-1" })] } };
  const host = await page(t, answers);
  const [other] = host.open("workflow-2", 9);
  host.say("execution_start", { prompt_id: "prompt-2" });
  host.say("executed", { node: "9", prompt_id: "prompt-2", output: OUTPUT });
  await host.settled();
  assert.equal(other.model, null);
  const [panel] = host.open("workflow-1", 9);
  assert.equal(panel.model.searches[0].stopped, "budget");
});

test("a report of a prompt without a workflow is shown in the graph that was open at its start", async (t) => {
  const host = await page(t);
  host.open("workflow-1", 9);
  host.say("execution_start", { prompt_id: "prompt-2" });
  const [other] = host.open("workflow-2", 9);
  for (const prompt of ["prompt-2", "of another page"]) {
    host.say("executed", { node: "9", prompt_id: prompt, output: OUTPUT });
    await host.settled();
    assert.equal(other.model, null);
  }
  host.say("executed", { node: "9", prompt_id: "prompt-2", output: OUTPUT });
  await host.settled();
  const [panel] = host.open("workflow-1", 9);
  assert.equal(panel.model.run.prompt, "prompt-2");
});

test("Stop ends a search whose end the page missed", async (t) => {
  const answers = { "/flow_search/stop": { stopping: true } };
  const host = await page(t, answers);
  const [panel] = host.open("workflow-1", 9);
  for (const message of MESSAGES.slice(0, -2)) host.say("flow_search.event", message);
  const stop = async () => {
    panel.dispatchEvent(new Event("stop"));
    await host.settled();
  };
  await stop();
  assert.ok(panel.model.running && !host.stopFailed);
  answers["/flow_search/stop"] = { stopping: false };
  answers["/queue"] = { queue_running: [queued("prompt-1")], queue_pending: [] };
  await stop();
  assert.ok(panel.model.running && host.stopFailed);
  answers["/queue"].queue_running = [];
  await stop();
  assert.deepEqual([panel.model.running, panel.model.searches[0].stopped], [false, "unknown"]);
});

test("Replay fills the node's input with the report, and empties it", async (t) => {
  const host = await page(t);
  const [panel] = host.open("workflow-1", 9);
  const [replay] = host.nodes.get(9).widgets;
  const press = () => panel.dispatchEvent(new Event("replay"));
  for (const message of MESSAGES) host.say("flow_search.event", message);
  assert.equal(panel.model.report, null, "events have no report");
  press();
  assert.deepEqual([panel.replay(), replay.value], ["", ""]);
  host.say("executed", { node: "9", prompt_id: "prompt-1", output: OUTPUT });
  const [captured, drawn] = [host.captured, host.drawn];
  press();
  assert.equal(panel.replay(), replayText(GOLDEN.rbf.report));
  assert.equal(panel.replay(), replay.value);
  assert.deepEqual([host.captured, host.drawn], [captured + 1, drawn + 1]);
  press();
  assert.equal(panel.replay(), "");
  host.nodes.get(9).inputs = [{ name: "replay", link: 3 }];
  press();
  assert.deepEqual([panel.replay(), replay.value], [null, ""], "a link gives the value");
});

test("Replay has its report again when the workflow is opened again", async (t) => {
  const host = await page(t);
  host.open("workflow-1", 9);
  for (const message of MESSAGES) host.say("flow_search.event", message);
  host.say("executed", { node: "9", prompt_id: "prompt-1", output: OUTPUT });
  const info = {};
  host.nodes.get(9).onSerialize(info);
  const restored = JSON.parse(JSON.stringify(info));
  const configure = (node) => node.onConfigure(restored);
  const [other] = host.open("workflow-2", 9, configure);
  assert.equal(other.model.report, replayText(GOLDEN.rbf.report), "it is saved with the node");
  delete restored.flow_search.replay; // as of a long report, or in an older file
  const [panel] = host.open("workflow-1", 9, configure);
  assert.equal(panel.model.report, replayText(GOLDEN.rbf.report));
  restored.flow_search.searches[0].spent += 1;
  assert.equal(host.open("workflow-1", 9, configure)[0].model.report, null, "another search");
});

test("the host draws no preview of a search that the panel shows", async (t) => {
  const host = await page(t);
  const drawn = [];
  host.api.addEventListener("b_preview_with_metadata", (event) => drawn.push(event.detail));
  const preview = (detail) => host.say("b_preview_with_metadata", detail);
  const [search] = MESSAGES;
  const { node_id: displayNodeId, prompt_id: jobId } = search;
  preview({ displayNodeId, jobId });
  assert.equal(drawn.length, 1, "before the search begins");
  host.say("flow_search.event", search);
  preview({ displayNodeId, jobId });
  preview({ displayNodeId, promptId: jobId });
  assert.equal(drawn.length, 1);
  preview({ displayNodeId: "3", jobId });
  preview({ displayNodeId, jobId: "prompt-9" });
  assert.equal(drawn.length, 3, "previews of another node and of another prompt");
});

test("the hosts that may get images are a setting, which is empty by default", async (t) => {
  const host = await page(t);
  const [setting] = host.extension.settings;
  assert.equal(setting.id, "FlowSearch.HTTPHosts"); // nodes/host/http_hosts.py reads this name
  assert.deepEqual([setting.type, setting.defaultValue], ["text", ""]);
});
