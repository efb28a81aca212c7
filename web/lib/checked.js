/**
 * Whether a saved search or a report has the shape that the panel draws. No DOM.
 *
 * It may come with somebody else's workflow or picture: sizes are bounded before anything is drawn.
 * nodes/show/report_format.py describes the report itself.
 */

/** @typedef {(value: any, name: string) => void} Check throws an Error of one sentence */

export const ROWS = 5000; // in all; what this pack saves has 2000 at most
const STEPS = 10000; // the host's longest schedule
const SEARCHES = 4096; // the host's largest batch
const PICTURES = 64; // of one search
const JPEG = 1 << 20; // characters
const KINDS = ["born", "propose", "finish"];

/**
 * @param {string} name
 * @param {any} value
 * @param {string} expected
 */
function wrong(name, value, expected) {
  const plain = typeof value === "string" ? value.slice(0, 60) : value;
  const kind = Array.isArray(value) ? `a list of ${value.length}` : "an object";
  const got = plain !== null && typeof plain === "object" ? kind : JSON.stringify(plain);
  return new Error(`Saved search, ${name}: got ${got}, expected ${expected}.`);
}

/** @param {number} most @returns {Check} */
const whole = (most) => (value, name) => {
  if (!Number.isSafeInteger(value) || value < 0 || value > most)
    throw wrong(name, value, `a whole number from 0 to ${most}`);
};

/** @type {Check} */
const finite = (value, name) => {
  if (!Number.isFinite(value)) throw wrong(name, value, "a finite number");
};

/** @param {number} most @returns {Check} */
const text = (most) => (value, name) => {
  if (typeof value !== "string" || value.length > most)
    throw wrong(name, value, `a text of at most ${most} characters`);
};

/** @param {Check} check @returns {Check} */
const orNull = (check) => (value, name) => {
  if (value !== null) check(value, name);
};

/** @param {Check} check @returns {Check} of what may be absent, too */
const maybe = (check) => (value, name) => {
  if (value !== null && value !== undefined) check(value, name);
};

/** @param {Check} check @param {number} most @returns {Check} */
const each = (check, most) => (value, name) => {
  if (!Array.isArray(value) || value.length > most)
    throw wrong(name, value, `a list of at most ${most} entries`);
  for (const [i, one] of value.entries()) check(one, `${name}[${i}]`);
};

/** @param {Record<string, Check>} checks @returns {Check} */
const record = (checks) => (value, name) => {
  if (value === null || typeof value !== "object") throw wrong(name, value, "an object");
  for (const [key, check] of Object.entries(checks)) check(value[key], `${name}.${key}`);
};

/** @param {Check[]} checks @returns {Check} */
const tuple = (...checks) => (value, name) => {
  if (!Array.isArray(value) || value.length !== checks.length)
    throw wrong(name, value, `a list of ${checks.length} entries`);
  checks.forEach((check, i) => check(value[i], `${name}[${i}]`));
};

const COUNT = whole(Number.MAX_SAFE_INTEGER);
const STEP = whole(STEPS);
const SIGMAS = each(finite, STEPS + 1);

const ROW = /** @type {const} */ ({
  id: COUNT,
  parent: orNull(COUNT),
  path: COUNT,
  step: STEP,
  kind: (/** @type {any} */ value, /** @type {string} */ name) => {
    if (!KINDS.includes(value)) throw wrong(name, value, `one of ${KINDS.join(", ")}`);
  },
  reward: orNull(finite),
  nfe: COUNT,
});

const FILE = record({ filename: text(1024), subfolder: text(1024), type: text(64) });

const SEARCH = record({
  method: text(64),
  sigmas: SIGMAS,
  budget: COUNT,
  spent: COUNT,
  stopped: maybe(text(64)),
  maximum: maybe(finite),
  best: maybe(COUNT),
  start: maybe(COUNT),
  columns: tuple(...Object.values(ROW).map((check) => each(check, ROWS))),
  accepted: each(tuple(COUNT, maybe(COUNT)), ROWS),
  failed: each(tuple(COUNT, text(64)), ROWS),
  watchdog: maybe(each(tuple(COUNT, orNull(finite)), ROWS)),
  shares: each(tuple(STEP, COUNT, finite, finite), STEPS + 1),
  pictures: each(record({ id: COUNT, jpeg: maybe(text(JPEG)), file: maybe(FILE) }), PICTURES),
});

const REPORT = record({
  method: text(64),
  sigmas: SIGMAS,
  maximum: maybe(finite),
  budget: record({ nfe: COUNT }),
  spent: record({ nfe: COUNT }),
  stopped: maybe(text(64)),
  best: record({ id: COUNT, start: maybe(COUNT) }),
  trace: each(
    record({
      ...ROW,
      quota: maybe(COUNT),
      watchdog: maybe(finite),
      failed: maybe(text(64)),
    }),
    ROWS,
  ),
});

/**
 * Ids are unique, and a parent comes before its child: nobody is an ancestor of their own.
 * @param {number[]} ids
 * @param {(?number)[]} parents
 * @param {string} name
 */
function checkIds(ids, parents, name) {
  if (parents.length !== ids.length) throw wrong(name, parents.length, `${ids.length} parents`);
  if (new Set(ids).size < ids.length) throw wrong(name, "an id twice", "each once");
  ids.forEach((id, i) => {
    const parent = parents[i];
    if (parent !== null && parent !== undefined && parent >= id)
      throw wrong(`${name}, parent of ${id}`, parent, "an id before it, or null");
  });
}

/**
 * @param {any[]} searches
 * @param {(search: any) => number} rows how many it has
 * @param {Check} check
 */
function checkAll(searches, rows, check) {
  if (!Array.isArray(searches) || searches.length > SEARCHES)
    throw wrong("searches", searches, `a list of at most ${SEARCHES} entries`);
  for (const [i, one] of searches.entries()) check(one, `search ${i}`);
  const all = searches.reduce((sum, one) => sum + rows(one), 0);
  if (all > ROWS) throw wrong("rows in all", all, `at most ${ROWS}`);
}

/**
 * Throw unless `pack` of saved.js can have given this.
 * @param {any[]} searches
 */
export function checkSaved(searches) {
  checkAll(searches, (one) => one.columns[0].length, SEARCH);
  for (const { columns } of searches) {
    const [ids, parents] = columns;
    for (const column of columns)
      if (column.length !== ids.length) throw wrong("columns", column.length, `${ids.length} rows`);
    checkIds(ids, parents, "columns");
  }
}

/**
 * Throw unless these are reports of a search node.
 * @param {any[]} reports
 */
export function checkReports(reports) {
  checkAll(reports, (one) => one.trace.length, REPORT);
  for (const { trace } of reports) {
    const column = (/** @type {string} */ key) => trace.map((/** @type {any} */ row) => row[key]);
    checkIds(column("id"), column("parent"), "trace");
  }
}
