/**
 * Tooltips of the inputs that an option of a choice adds, such as "reward.checkpoint". ComfyUI
 * looks for these names at the top of a node's definition, but they are inside the choice.
 */

/** @typedef {{tooltip?: string, options?: any[]}} Spec an input in a node's definition */
/** @typedef {(name: string) => unknown} Chosen the value of an input of the node */

/** @param {any} option of a choice @param {string} name @returns {?Spec} its input of that name */
const inputOf = (option, name) =>
  (option?.inputs?.required?.[name] ?? option?.inputs?.optional?.[name])?.[1] ?? null;

/**
 * The tooltip of an input for the current choices; empty if it has none.
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
    spec = inputOf(spec?.options?.find((option) => option?.key === chosen(choice)), part);
    choice += `.${part}`;
  }
  return spec?.tooltip ?? "";
}

/**
 * The names of all inputs that the choices of a definition can add.
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
          walk(inputOf(option, part), `${choice}.${part}`);
        }
      }
    }
  };
  for (const [name, spec] of Object.entries(inputs)) walk(spec, name);
  return names;
}

/**
 * The tooltip of a node's input for its current choices.
 * @param {any} node
 * @param {string} name
 */
function tooltipOf(node, name) {
  const chosen = (/** @type {string} */ choice) =>
    node.widgets?.find((/** @type {any} */ widget) => widget.name === choice)?.value;
  return tooltip(node.constructor.nodeData?.inputs ?? {}, name, chosen);
}

/**
 * Set the tooltip of an input that a choice has added. A text box is an element of the page, where
 * the host shows no tooltip, so it gets a title.
 * @param {any} node
 * @param {{name: string}} input
 */
export function setTooltip(node, { name }) {
  const widget = node.widgets?.find((/** @type {any} */ widget) => widget.name === name);
  if (!widget || !name.includes(".")) return;
  widget.tooltip ??= tooltipOf(node, name);
  if (widget.element) widget.element.title = widget.tooltip;
}

/**
 * A node's definition in which the classic renderer finds the tooltips of inputs that choices add.
 * The added entries are not enumerable, so that other code sees the definition as before.
 * @param {any} def from the server
 * @param {new (def: any) => any} Definition the host's class
 * @param {() => any} hovered the node under the pointer, in the classic renderer
 */
export function withTooltips(def, Definition, hovered) {
  const definition = new Definition(def);
  for (const name of dynamicNames(definition.inputs)) {
    const get = () => {
      const node = hovered();
      return node?.comfyClass === def.name ? { tooltip: tooltipOf(node, name) } : undefined;
    };
    Object.defineProperty(definition.inputs, name, { get, enumerable: false, configurable: true });
  }
  return definition;
}
