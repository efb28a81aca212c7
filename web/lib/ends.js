/** How a run ends without a report: by an error, by a cancel, or unheard. No DOM. */

/** @typedef {import("./store.js").Model} Model @typedef {import("./store.js").Run} Run */

/** Event types of ComfyUI that end a run: why, in the words of the report. */
export const ENDS = /** @type {Record<string, string>} */ ({
  execution_error: "error",
  execution_interrupted: "cancel",
});

const LONGEST = 2000; // characters of an error that are shown, and saved with a workflow
const SAVED = /^Flow Search saved /; // the panel links to it

/**
 * What an `execution_error` says, without where the unfinished picture is.
 * @param {any} detail
 * @returns {?string}
 */
export function sentence(detail) {
  const lines = String(detail?.exception_message ?? "").split("\n");
  const text = lines.filter((line) => !SAVED.test(line)).join("\n");
  return text.trim().slice(0, LONGEST) || detail?.exception_type || null;
}

/** @param {Run} run @returns {Model} a run of which no search has begun */
export function emptyModel(run) {
  const searches = /** @type {import("./store.js").Search[]} */ ([]);
  const ends = { ended: null, error: null, saved: [], lost: false };
  return { run, running: false, current: 0, images: 1, searches, ...ends };
}

/**
 * The model of a run that ended without a report.
 * @param {Model} model
 * @param {string} why
 * @param {?string} error its sentence
 * @returns {Model}
 */
export function ended(model, why, error = null) {
  const searches = model.searches.map((one) => ({ ...one, stopped: one.stopped ?? why }));
  return { ...model, running: false, lost: false, ended: why, error, searches };
}
