/** The texts of the panel in English and Chinese. No DOM. */

/** @typedef {typeof EN} Texts */

const EN = {
  empty: "Run the workflow to watch the search here.",
  swap: "Replace with Search KSampler",
  searching: "Searching",
  lost: "Connection lost",
  stop: "Stop now",
  stopHint: "Stop now: finishes the best particle so far, then continues the workflow.",
  stopping: "Stopping…",
  replay: "Replay",
  replayHint: "The next run makes this result again.",
  replayOn: "The next run makes an earlier result again. Press to search anew.",
  replayOff: "Run the search once more to replay it.",
  budget: "Budget used up",
  unspent: "Ended with budget left",
  target: "Target reached",
  highest: "Maximum reached",
  time: "Time limit reached",
  interrupt: "Stopped by you",
  done: "Search complete",
  cancel: "Cancelled",
  error: "Ended by an error",
  unstarted: "Did not start",
  unknown: "Ended",
  forgotten: "The server was restarted, or its history no longer has this run.",
  unfinished: "Unfinished image:",
  best: "Best so far",
  winner: "Result",
  lower: "dropped finish",
  plain: "without search",
  plainWon: "the same, it scored highest",
  compare: "Compare",
  compareHint: "The image of the same seed without the search, and the result.",
  compareLabel: "Share of the plain image",
  start: "from start",
  reward: "score",
  perfect: "perfect",
  tried: "tried",
  nfe: "evaluations",
  left: "about {0} left",
  leftHint: "The time left is for the whole budget, at the speed so far.",
  second: "s",
  minute: "min",
  hour: "h",
  particle: "particle",
  path: "path",
  step: "step",
  from: "from",
  failed: "failed",
  workers: "workers",
  starts: "starts",
  refused: "cannot take part",
  dead: "lost",
  rate: "per second",
  discarded: "thrown away",
  watchdog: "watchdog",
  chart: "Score over time",
  shares: "Budget per step",
  tries: "tries",
  quota: "quota",
  rolled: "rolled over",
  film: "Improvements so far",
  sheet: "Best images",
  image: "Image",
  imageOf: "image {0} of {1}",
  perImage: "Each image of the batch has this budget.",
  noImage: "No image yet",
  lostImage: "Image not kept",
  notKept: "Its image was not kept",
  instead: "This is particle",
  open: "Open the image of",
  newTab: "Open in a new tab",
  close: "Close",
  groups: /** @type {Record<string, string[]>} */ ({}), // the server's texts are English
};

/** @type {Texts} */
const ZH = {
  empty: "运行工作流后，可在此观看搜索过程。",
  swap: "替换为搜索 K 采样器",
  searching: "搜索中",
  lost: "连接已断开",
  stop: "停止",
  stopHint: "立即停止：完成目前最佳的粒子，然后继续执行工作流。",
  stopping: "正在停止…",
  replay: "重放",
  replayHint: "下次运行重做这个结果。",
  replayOn: "下次运行重做先前的结果。再按一次则重新搜索。",
  replayOff: "再运行一次搜索后才能重放。",
  budget: "预算已用完",
  unspent: "已结束，预算有剩余",
  target: "已达到目标",
  highest: "已达到最高分",
  time: "已到时间限制",
  interrupt: "已由你停止",
  done: "搜索完成",
  cancel: "已取消",
  error: "因错误结束",
  unstarted: "未能开始",
  unknown: "已结束",
  forgotten: "服务器已重启，或其历史中已没有这次运行。",
  unfinished: "未完成的图像：",
  best: "目前最佳",
  winner: "结果",
  lower: "弃用的完成图",
  plain: "不搜索",
  plainWon: "就是它，得分最高",
  compare: "对比",
  compareHint: "同一种子不搜索的图像，以及结果。",
  compareLabel: "普通图像所占的比例",
  start: "来自起点",
  reward: "得分",
  perfect: "满分",
  tried: "已尝试",
  nfe: "次评估",
  left: "约剩 {0}",
  leftHint: "剩余时间按目前的速度计算，假定用完全部预算。",
  second: "秒",
  minute: "分",
  hour: "小时",
  particle: "粒子",
  path: "路径",
  step: "步",
  from: "来自",
  failed: "失败",
  workers: "工作进程",
  starts: "启动中",
  refused: "无法参与",
  dead: "已丢失",
  rate: "每秒",
  discarded: "弃用",
  watchdog: "监督奖励",
  chart: "得分随时间的变化",
  shares: "每步的预算",
  tries: "次尝试",
  quota: "配额",
  rolled: "结转",
  film: "至今的改进",
  sheet: "最佳图像",
  image: "图像",
  imageOf: "第 {0} / {1} 张",
  perImage: "批次中的每张图像各有这么多预算。",
  noImage: "暂无图像",
  lostImage: "图像未保留",
  notKept: "其图像未保留",
  instead: "此处为粒子",
  open: "打开图像：",
  newTab: "在新标签页中打开",
  close: "关闭",
  groups: {
    "no file": ["无需文件", "只测量图像本身，不需要文件，也不读提示词。"],
    agreement: ["符合提示词", "询问模型：图像是否表现了提示词。"],
    counts: ["数量", "清点图像中提示词提到的物体或形状。"],
    looks: ["美观", "预测人们喜欢哪张图像。taste 学习你的喜好。"],
    text: ["文字", "读出图像中的文字，并与引号中的文字比较。"],
    likeness: ["相似", "把图像与提示词或你的图像比较。"],
    video: ["视频", "为视频评分：逐帧评分，或看动作是否稳定。"],
  },
};

/**
 * @param {string} locale such as "zh" or "en-GB"
 * @returns {Texts}
 */
export function texts(locale) {
  return locale.startsWith("zh") ? ZH : EN;
}

/** @param {?number} value @returns {string} it with four significant digits */
export function figure(value) {
  if (value === null) return "–";
  const size = Math.abs(value);
  if (size < 1e-5) return "0"; // a perfect score of 0, but for rounding
  if (size >= 1e5 || size < 1e-3) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

/**
 * "45 s", "2 min 05 s" or "1 h 05 min".
 * @param {number} seconds
 * @param {Texts} words
 */
export function duration(seconds, words) {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 60) return `${whole} ${words.second}`;
  const hours = whole >= 3600;
  const [size, large, small] = hours
    ? [3600, words.hour, words.minute]
    : [60, words.minute, words.second];
  const rest = Math.floor((whole % size) / (hours ? 60 : 1));
  return `${Math.floor(whole / size)} ${large} ${String(rest).padStart(2, "0")} ${small}`;
}

/**
 * "image 2 of 4".
 * @param {Texts} words
 * @param {number} index from 0
 * @param {number} count
 */
export function imageOf(words, index, count) {
  return words.imageOf.replace("{0}", String(index + 1)).replace("{1}", String(count));
}

/**
 * The note of a run that ended without a result: its error, or why there is none.
 * @param {import("./model.js").Model} model
 * @param {Texts} words
 */
export function noteOf(model, words) {
  return model.error ?? (model.ended === "unknown" ? words.forgotten : "");
}

/**
 * A particle in words: its reward, path, step and ancestors.
 * @param {import("./model.js").Row} row
 * @param {import("./model.js").Row[]} line its ancestors, then the particle itself
 * @param {Texts} words
 */
export function describe(row, line, words) {
  const result = row.failed ? words.failed : `${words.reward} ${figure(row.reward)}`;
  const parts = [
    `${words.particle} ${row.id}`,
    result,
    `${words.path} ${row.path}`,
    `${words.step} ${row.step}`,
  ];
  if (row.watchdog != null) parts.push(`${words.watchdog} ${figure(row.watchdog)}`);
  parts.push(`${row.nfe} ${words.nfe}`);
  const from = line.slice(0, -1).map((parent) => parent.id);
  const names = from.length > 6 ? [...from.slice(0, 2), "…", ...from.slice(-3)] : from;
  return from.length ? `${parts.join(", ")}, ${words.from} ${names.join(" → ")}` : parts.join(", ");
}
