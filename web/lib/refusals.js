/** Prompts that ComfyUI refuses to queue, such as those with a missing input. No DOM. */

import { emptyModel, endModel } from "./run_end.js";

/** @typedef {{errors: {message: string, details?: string}[]}} NodeError of a node that is refused */

const [EVERY, LONGEST] = [200, 30000]; // ms

/**
 * Call a function with the errors of a prompt, if it is refused. The page has no event for that.
 * @param {() => (Record<string, NodeError> | null | undefined)} errors the page's newest ones by node id
 * @param {(errors: Record<string, NodeError>) => void} refused
 */
export function watchRefusal(errors, refused) {
  const [before, until] = [errors(), Date.now() + LONGEST];
  const look = () => {
    const found = errors();
    if (found && found !== before) refused(found);
    else if (Date.now() < until) setTimeout(look, EVERY);
  };
  setTimeout(look, EVERY);
}

/**
 * The model of a node that was refused.
 * @param {import("./model.js").Run} run
 * @param {NodeError} error
 */
export function refusedModel(run, { errors }) {
  const lines = errors.map(({ message, details }) => [message, details].filter(Boolean).join(": "));
  return endModel(emptyModel(run), "error", lines.join("\n"));
}
