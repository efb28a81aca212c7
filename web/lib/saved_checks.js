/**
 * Checks that a saved search or a report has the shape that the panel draws. No DOM.
 *
 * Both may come with a stranger's workflow or image, so sizes are limited before anything is drawn.
 * nodes/show/report_format.py describes the report in full.
 */

/** @typedef {(value: any, name: string) => void} Check throws an Error with one sentence */

export const ROWS = 5000; // of all searches together; this pack saves at most 2000
const STEPS = 10000; // the host's longest schedule
const SEARCHES = 4096; // the host's largest batch
const PICTURES = 64; // per search
const JPEG = 1 << 20; // characters
const WHY = 1000; // characters
const TOP = 64; // results of a search; the node's largest top_k
const KINDS = ["born", "propose", "finish"];

/**
 * The error for a value that is not as expected.
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

/** @param {Check} check @returns {Check} that also allows null and no value */
const maybe = (check) => (value, name) => {
  if (value !== null && value !== undefined) check(value, name);
};

/** @param {Check} check @param {number} most @returns {Check} */
const each = (check, most) => (value, name) => {
  if (!Array.isArray(value) || value.length > most)
    throw wrong(name, value, `a list of at most ${most} entries`);
  for (const [i, entry] of value.entries()) check(entry, `${name}[${i}]`);
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

const IMAGE = { jpeg: maybe(text(JPEG)), file: maybe(FILE) };
const ITEMS = each(record({ question: text(1000), answer: text(1000), p: orNull(finite) }), 1024);

const SEARCH = record({
  method: text(64),
  sigmas: SIGMAS,
  budget: COUNT,
  spent: COUNT,
  seconds: maybe(finite),
  stopped: maybe(text(64)),
  maximum: maybe(finite),
  best: maybe(COUNT),
  start: maybe(COUNT),
  top: maybe(each(COUNT, TOP)),
  why: maybe(text(WHY)),
  columns: tuple(...Object.values(ROW).map((check) => each(check, ROWS))),
  accepted: each(tuple(COUNT, maybe(COUNT)), ROWS),
  failed: each(tuple(COUNT, text(64)), ROWS),
  watchdog: maybe(each(tuple(COUNT, orNull(finite)), ROWS)),
  items: maybe(ITEMS),
  shares: each(tuple(STEP, COUNT, finite, finite), STEPS + 1),
  pictures: each(record({ id: COUNT, ...IMAGE }), PICTURES),
  plain: maybe(record({ id: maybe(COUNT), reward: orNull(finite), ...IMAGE })),
});

const REPORT = record({
  method: text(64),
  sigmas: SIGMAS,
  maximum: maybe(finite),
  budget: record({ nfe: COUNT }),
  spent: record({ nfe: COUNT, seconds: maybe(record({ total: finite })) }),
  stopped: maybe(text(64)),
  best: record({ id: COUNT, start: maybe(COUNT) }),
  top: each(record({ id: COUNT }), TOP),
  chosen: maybe(record({ why: text(WHY) })),
  plain: maybe(record({ id: maybe(COUNT), reward: orNull(finite) })),
  trace: each(
    record({
      ...ROW,
      quota: maybe(COUNT),
      watchdog: maybe(finite),
      items: maybe(ITEMS),
      failed: maybe(text(64)),
    }),
    ROWS,
  ),
});

/**
 * Throw unless ids are unique and each parent has a smaller id than its child. This excludes
 * cycles.
 * @param {number[]} ids
 * @param {(?number)[]} parents
 * @param {string} name
 */
function checkIds(ids, parents, name) {
  if (parents.length !== ids.length) throw wrong(name, parents.length, `${ids.length} parents`);
  if (new Set(ids).size < ids.length) throw wrong(name, "the same id twice", "unique ids");
  ids.forEach((id, i) => {
    const parent = parents[i];
    if (parent !== null && parent !== undefined && parent >= id)
      throw wrong(`${name}, parent of ${id}`, parent, "a smaller id, or null");
  });
}

/**
 * Throw unless each search passes `check` and all together have at most ROWS rows.
 * @param {any[]} searches
 * @param {(search: any) => number} rows the number of rows of a search
 * @param {Check} check
 */
function checkAll(searches, rows, check) {
  if (!Array.isArray(searches) || searches.length > SEARCHES)
    throw wrong("searches", searches, `a list of at most ${SEARCHES} entries`);
  for (const [i, search] of searches.entries()) check(search, `search ${i}`);
  const total = searches.reduce((sum, search) => sum + rows(search), 0);
  if (total > ROWS) throw wrong("total number of rows", total, `at most ${ROWS}`);
}

/**
 * Throw unless these searches have the form that `pack` of saved_search.js makes.
 * @param {any[]} searches
 */
export function checkSaved(searches) {
  checkAll(searches, (search) => search.columns[0].length, SEARCH);
  for (const { columns } of searches) {
    const [ids, parents] = columns;
    for (const column of columns)
      if (column.length !== ids.length) throw wrong("columns", column.length, `${ids.length} rows`);
    checkIds(ids, parents, "columns");
  }
}

/**
 * Throw unless these reports have the form that a search node writes.
 * @param {any[]} reports
 */
export function checkReports(reports) {
  checkAll(reports, (report) => report.trace.length, REPORT);
  for (const { trace } of reports) {
    const column = (/** @type {string} */ key) => trace.map((/** @type {any} */ row) => row[key]);
    checkIds(column("id"), column("parent"), "trace");
  }
}
