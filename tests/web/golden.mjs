/** The golden events that the Python code sends, for the tests of the page's model. */

import { readFileSync } from "node:fs";

import { reduce } from "../../web/lib/model.js";

export const GOLDEN = JSON.parse(
  readFileSync(new URL("golden_events.json", import.meta.url), "utf-8"),
);
export const RUN = { node: "22:9", prompt: "prompt-1", workflow: "workflow-1" };

/** Freeze a value and everything in it, so that a reducer that changes its input throws. */
export function frozen(value) {
  if (value === null || typeof value !== "object" || Object.isFrozen(value)) return value;
  Object.values(value instanceof Map ? [...value.values()] : value).forEach(frozen);
  return Object.freeze(value);
}

export const messages = (name) => GOLDEN[name].messages.map((m) => m.data);

/** The model after the first messages of a stream, all of them by default. */
export const reduced = (name, count) =>
  messages(name)
    .slice(0, count)
    .reduce((model, m) => frozen(reduce(model, frozen(m))), null);
