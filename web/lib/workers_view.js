/** The row of workers in the panel: all of them together, then each with its rate. */

/** @typedef {import("./model.js").Workers} Workers @typedef {import("./model.js").Worker} Worker */
/** @typedef {import("./texts.js").Texts} Texts */

/** @param {number} value */
const rounded = (value) => String(Number(value.toPrecision(2)));

/**
 * What a worker does, in short.
 * @param {Worker} worker
 * @param {Texts} words
 */
function doing({ state, nfe, rate }, words) {
  if (state === "starts") return words.starts;
  if (state === "refused") return words.refused;
  if (state === "lost") return words.dead;
  return rate === null ? `${nfe} ${words.nfe}` : `${rounded(rate)} ${words.rate}`;
}

/**
 * The texts of the row: of all workers, then of each one. A text has a longer one for its tooltip,
 * and `bad` if the worker takes no part.
 * @param {Workers} workers
 * @param {number} spent evaluations that the search used
 * @param {Texts} words
 * @returns {{text: string, title: string, bad: boolean}[]}
 */
export function workerTexts({ discarded, each }, spent, words) {
  const working = each.filter(({ state }) => state === "ready" || state === "ended");
  const rate = each.reduce((sum, worker) => sum + (worker.rate ?? 0), 0);
  const share = Math.round((100 * discarded) / Math.max(1, spent + discarded));
  const parts = [
    `${working.length} / ${each.length} ${words.workers}`,
    rate ? `${rounded(rate)} ${words.nfe} ${words.rate}` : "",
    discarded ? `${share} % ${words.discarded}` : "",
  ];
  const all = { text: parts.filter(Boolean).join(", "), title: "", bad: false };
  const chips = each.map((worker) => ({
    text: `${worker.name}: ${doing(worker, words)}`,
    title: [worker.where, worker.why].filter(Boolean).join("\n"),
    bad: worker.state === "refused" || worker.state === "lost",
  }));
  return [all, ...chips];
}

/**
 * Write the row, or hide it if the search has no workers.
 * @param {any} list
 * @param {?Workers} workers
 * @param {number} spent evaluations that the search used
 * @param {Texts} words
 */
export function drawWorkers(list, workers, spent, words) {
  const entries = workers ? workerTexts(workers, spent, words) : [];
  list.hidden = !entries.length;
  const written = JSON.stringify(entries);
  if (list.dataset.written === written) return;
  list.dataset.written = written;
  list.replaceChildren(
    ...entries.map(({ text, title, bad }) => {
      const item = Object.assign(document.createElement("li"), { textContent: text, title });
      item.classList.toggle("bad", bad);
      return item;
    }),
  );
}
