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

/**
 * Of some prompts those that neither run nor wait, and what the history keeps of them: their
 * `executed` events and all others by kind. Null where the queue is not told.
 * @param {Ask} ask
 * @param {string[]} prompts
 */
export async function over(ask, prompts) {
  const queue = await ask("/queue");
  if (!queue) return null;
  const queued = [...queue.queue_running, ...queue.queue_pending].map(([, id]) => id);
  const gone = prompts.filter((prompt) => !queued.includes(prompt));
  return Promise.all(gone.map((prompt) => kept(ask, prompt)));
}

/**
 * @param {Ask} ask
 * @param {string} prompt
 */
async function kept(ask, prompt) {
  const entry = (await ask(`/history/${prompt}`))?.[prompt];
  const outputs = Object.entries(entry?.outputs ?? {}).map(([node, output]) => {
    const display_node = entry.meta?.[node]?.display_node ?? node;
    return { node, display_node, prompt_id: prompt, output };
  });
  const messages = /** @type {[string, any][]} */ (entry?.status?.messages ?? []);
  return { prompt, outputs, messages };
}
