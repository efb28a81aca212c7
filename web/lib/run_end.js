/** How a run ends without a report: an error, a cancel, or an end that the page missed. No DOM. */

/** @typedef {import("./model.js").Model} Model @typedef {import("./model.js").Run} Run */

/** Event types of ComfyUI that end a run, and the word for why. */
export const ENDS = /** @type {Record<string, string>} */ ({
  execution_error: "error",
  execution_interrupted: "cancel",
});

const LONGEST = 2000; // characters of an error that the panel shows and saves
const SAVED = /^Flow Search saved /; // the panel shows a link instead

/**
 * The text of an `execution_error`, without the line about the unfinished image.
 * @param {any} detail
 * @returns {?string}
 */
export function errorText(detail) {
  const lines = String(detail?.exception_message ?? "").split("\n");
  const text = lines.filter((line) => !SAVED.test(line)).join("\n");
  return text.trim().slice(0, LONGEST) || detail?.exception_type || null;
}

/** @param {Run} run @returns {Model} the model of a run before its first search */
export function emptyModel(run) {
  const searches = /** @type {import("./model.js").Search[]} */ ([]);
  const ends = { ended: null, error: null, saved: [], lost: false, report: null };
  return { run, running: false, current: 0, images: 1, searches, ...ends };
}

/**
 * The model of a run that ended without a report.
 * @param {Model} model
 * @param {string} why
 * @param {?string} error its text
 * @returns {Model}
 */
export function endModel(model, why, error = null) {
  const searches = model.searches.map((search) => ({ ...search, stopped: search.stopped ?? why }));
  return { ...model, running: false, lost: false, ended: why, error, searches };
}
