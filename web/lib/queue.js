/** What ComfyUI's queue and history tell of prompts. No DOM. */

/** @typedef {(route: string) => Promise<any>} Ask the answer of a GET; null where there is none */

/**
 * The workflow that a prompt comes from.
 * @param {Ask} ask
 * @param {string} prompt
 * @returns {Promise<?string>}
 */
export async function workflowOf(ask, prompt) {
  const running = (await ask("/queue"))?.queue_running ?? [];
  const queued = running.find((/** @type {any[]} */ [, id]) => id === prompt);
  const item = queued ?? (await ask(`/history/${prompt}`))?.[prompt]?.prompt;
  return item?.[3]?.extra_pnginfo?.workflow?.id ?? null;
}
