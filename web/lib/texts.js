/** The words of the panel. No DOM. */

/** @typedef {typeof EN} Texts */

const EN = {
  panel: "Search",
  empty: "Run the workflow to watch the search here.",
  searching: "Searching",
  stop: "Stop now",
  stopHint:
    "Stop now, keep the best: ends the search, finishes the best candidate so far and lets the workflow go on.",
  stopping: "Stopping…",
  budget: "Budget used up",
  target: "Target reached",
  time: "Time limit reached",
  interrupt: "Stopped by you",
  done: "Search complete",
  cancel: "Cancelled",
  error: "Ended by an error",
  unknown: "Ended",
  best: "Best so far",
  winner: "Result",
  reward: "reward",
  tried: "tried",
  nfe: "NFE",
  particle: "particle",
  path: "path",
  step: "step",
  from: "from",
  failed: "failed",
  watchdog: "watchdog",
  chart: "Reward against NFE",
  shares: "Budget per step",
  tries: "tries",
  quota: "quota",
  rolled: "rolled over",
  film: "Candidates the search moved to",
  image: "Image",
  noPicture: "No picture yet",
  notKept: "its picture was not kept",
  instead: "here is particle",
  open: "Open the picture of",
  newTab: "Open in a new tab",
  close: "Close",
};

/** @type {Texts} */
const ZH = {
  panel: "搜索",
  empty: "运行工作流后，可在此观看搜索过程。",
  searching: "搜索中",
  stop: "停止",
  stopHint: "停止并保留最佳：结束搜索，完成目前最佳的候选，然后继续执行工作流。",
  stopping: "正在停止…",
  budget: "预算已用完",
  target: "已达到目标",
  time: "已到时间限制",
  interrupt: "已由你停止",
  done: "搜索完成",
  cancel: "已取消",
  error: "因错误结束",
  unknown: "已结束",
  best: "目前最佳",
  winner: "结果",
  reward: "奖励",
  tried: "已尝试",
  nfe: "NFE",
  particle: "粒子",
  path: "路径",
  step: "步",
  from: "来自",
  failed: "失败",
  watchdog: "监督奖励",
  chart: "奖励随 NFE 的变化",
  shares: "每步的预算",
  tries: "次尝试",
  quota: "配额",
  rolled: "结转",
  film: "搜索采纳的候选",
  image: "图像",
  noPicture: "暂无图像",
  notKept: "其图像未保留",
  instead: "此为粒子",
  open: "打开图像：",
  newTab: "在新标签页中打开",
  close: "关闭",
};

/**
 * @param {string} locale such as "zh" or "en-GB"
 * @returns {Texts}
 */
export function texts(locale) {
  return locale.startsWith("zh") ? ZH : EN;
}

/** @param {?number} value @returns {string} four digits that matter */
export function figure(value) {
  if (value === null) return "–";
  const size = Math.abs(value);
  if (size < 1e-6) return "0"; // float noise around a perfect score
  if (size >= 1e5 || size < 1e-3) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

/**
 * One particle in words.
 * @param {import("./store.js").Row} row
 * @param {import("./store.js").Row[]} line its ancestors, itself last
 * @param {Texts} words
 */
export function described(row, line, words) {
  const worth = row.failed ? words.failed : `${words.reward} ${figure(row.reward)}`;
  const parts = [
    `${words.particle} ${row.id}`,
    worth,
    `${words.path} ${row.path}`,
    `${words.step} ${row.step}`,
  ];
  if (row.watchdog != null) parts.push(`${words.watchdog} ${figure(row.watchdog)}`);
  parts.push(`${row.nfe} ${words.nfe}`);
  const from = line.slice(0, -1).map((parent) => parent.id);
  const shown = from.length > 6 ? [...from.slice(0, 2), "…", ...from.slice(-3)] : from;
  return from.length ? `${parts.join(", ")}, ${words.from} ${shown.join(" → ")}` : parts.join(", ");
}
