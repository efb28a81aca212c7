/** The part of a report that a replay reads: small enough to be saved with the workflow. No DOM. */

export const LONGEST = 200_000; // characters that are saved with a workflow

/**
 * A report without the particles that a replay does not need. It keeps the results and the
 * particles that they were finished from.
 * @param {any} report of one search
 */
function withoutRows({ trace, ...report }) {
  const ids = new Set([report.best, ...report.top].map(({ id }) => id));
  const results = trace.filter((/** @type {any} */ row) => ids.has(row.id));
  for (const { parent } of results) ids.add(parent);
  return { ...report, trace: trace.filter((/** @type {any} */ row) => ids.has(row.id)) };
}

/**
 * The text that fills the input `replay`.
 * @param {any} report of a node
 * @param {string} [text] the JSON of the report
 * @returns {string}
 */
export function replayText({ batch, ...report }, text) {
  const whole = text ?? JSON.stringify({ ...report, batch });
  if (!Number.isSafeInteger(report.seed)) return whole; // JavaScript would round the seed
  const parts = batch && { batch: batch.map(withoutRows) };
  return JSON.stringify({ ...withoutRows(report), ...parts });
}
