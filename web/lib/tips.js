/**
 * Tooltips of the inputs that a choice brings along, such as "reward.checkpoint". ComfyUI looks them
 * up by their names in a node's definition, which has them below the choice. No host knowledge.
 */

/** @typedef {{tooltip?: string, options?: any[]}} Spec what a definition says of an input */
/** @typedef {(name: string) => unknown} Chosen the value of an input of the node */

/** @param {any} option of a choice @param {string} name @returns {?Spec} */
const brought = (option, name) =>
  (option?.inputs?.required?.[name] ?? option?.inputs?.optional?.[name])?.[1] ?? null;

/**
 * The tooltip of an input as the node's choices are now; empty where it has none.
 * @param {Record<string, Spec>} inputs of the node's definition, by name
 * @param {string} name
 * @param {Chosen} chosen
 */
export function tooltip(inputs, name, chosen) {
  const [first, ...parts] = name.split(".");
  /** @type {?Spec | undefined} */
  let spec = inputs[first];
  let choice = first;
  for (const part of parts) {
    spec = brought(spec?.options?.find((option) => option?.key === chosen(choice)), part);
    choice += `.${part}`;
  }
  return spec?.tooltip ?? "";
}

/**
 * The names of all inputs that the choices of a definition may bring along.
 * @param {Record<string, Spec>} inputs by name
 * @returns {Set<string>}
 */
export function dynamicNames(inputs) {
  /** @type {Set<string>} */
  const names = new Set();
  const walk = (/** @type {?Spec | undefined} */ spec, /** @type {string} */ choice) => {
    for (const option of spec?.options ?? []) {
      for (const group of [option?.inputs?.required, option?.inputs?.optional]) {
        for (const part of Object.keys(group ?? {})) {
          names.add(`${choice}.${part}`);
          walk(brought(option, part), `${choice}.${part}`);
        }
      }
    }
  };
  for (const [name, spec] of Object.entries(inputs)) walk(spec, name);
  return names;
}

/**
 * The tooltip of a node's input, as its choices are now.
 * @param {any} node
 * @param {string} name
 */
function tip(node, name) {
  const chosen = (/** @type {string} */ choice) =>
    node.widgets?.find((/** @type {any} */ widget) => widget.name === choice)?.value;
  return tooltip(node.constructor.nodeData?.inputs ?? {}, name, chosen);
}

/**
 * Give an input that a choice has brought its tooltip. The host shows none on a box of text, which
 * is an element of the page.
 * @param {any} node
 * @param {{name: string}} input
 */
export function explain(node, { name }) {
  const widget = node.widgets?.find((/** @type {any} */ widget) => widget.name === name);
  if (!widget || !name.includes(".")) return;
  widget.tooltip ??= tip(node, name);
  if (widget.element) widget.element.title = widget.tooltip;
}

/**
 * A definition in which the host finds the tooltips of what choices bring. The classic renderer
 * looks there for the name below the pointer; all else that reads it finds no more than before.
 * @param {any} def as the server tells it
 * @param {new (def: any) => any} Definition the host's class
 * @param {() => any} hovered the node below the pointer, in that renderer
 */
export function withTips(def, Definition, hovered) {
  const made = new Definition(def);
  for (const name of dynamicNames(made.inputs)) {
    const get = () => {
      const node = hovered();
      return node?.comfyClass === def.name ? { tooltip: tip(node, name) } : undefined;
    };
    Object.defineProperty(made.inputs, name, { get, enumerable: false, configurable: true });
  }
  return made;
}
