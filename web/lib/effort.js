/** What the effort of Search KSampler comes to, beside its name: "effort (100 evaluations)". */

const PARTS = ["effort", "steps", "cfg"];

/**
 * Evaluations for one image, as nodes/run/ksampler.py counts them for one positive and one negative
 * prompt.
 * @param {number[]} parts effort, steps and cfg
 */
export const budget = ([effort, steps, cfg]) => effort * steps * (cfg === 1 ? 1 : 2);

/**
 * Keep the evaluations beside the name of the effort. A value that comes over a link is not known
 * here.
 * @param {any} node
 * @param {import("./texts.js").Texts} words
 */
export function showBudget(node, words) {
  const widgets = PARTS.map((name) => node.widgets?.find((/** @type {any} */ w) => w.name === name));
  if (!widgets.every(Boolean)) return;
  const [effort] = widgets;
  const label = effort.label ?? effort.name;
  const isLinked = (/** @type {string} */ name) =>
    node.inputs?.some((/** @type {any} */ input) => input.widget?.name === name && input.link != null);
  const draw = () => {
    const count = budget(widgets.map((widget) => Number(widget.value)));
    effort.label = PARTS.some(isLinked) ? label : `${label} (${count} ${words.nfe})`;
  };
  for (const widget of widgets) after(widget, "callback", draw);
  for (const hook of ["onConfigure", "onConnectionsChange"]) after(node, hook, draw);
  draw();
}

/**
 * Call something after each call of a method.
 * @param {any} owner
 * @param {string} name
 * @param {() => void} call
 */
export function after(owner, name, call) {
  const method = owner[name];
  owner[name] = function (/** @type {any[]} */ ...args) {
    const result = method?.apply(this, args);
    call();
    return result;
  };
}
