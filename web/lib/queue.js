/** What ComfyUI's queue and history contain about prompts. No DOM. */

/** @typedef {(route: string) => Promise<any>} Ask the answer of a GET; null if there is none */

/** @typedef {Record<string, {class_type: string, inputs?: object, _meta?: {title?: string}}>} Graph */

/**
 * The nodes of a prompt by execution id, and the id of the workflow that it comes from, or null.
 * @param {Ask} ask
 * @param {string} prompt
 * @returns {Promise<{graph: Graph, workflow: ?string}>}
 */
export async function promptOf(ask, prompt) {
  const running = (await ask("/queue"))?.queue_running ?? [];
  const queued = running.find((/** @type {any[]} */ [, id]) => id === prompt);
  const item = queued ?? (await ask(`/history/${prompt}`))?.[prompt]?.prompt;
  return { graph: item?.[2] ?? {}, workflow: item?.[3]?.extra_pnginfo?.workflow?.id ?? null };
}

/**
 * Ids of the nodes that take something from a node, directly or through others.
 * @param {Graph} graph
 * @param {string} source
 * @returns {string[]}
 */
export function dependants(graph, source) {
  const found = new Set([source]);
  for (const id of found) {
    for (const [user, { inputs = {} }] of Object.entries(graph)) {
      if (Object.values(inputs).some((value) => Array.isArray(value) && value.length === 2 && value[0] === id))
        found.add(user); // the loop goes on with it
    }
  }
  found.delete(source);
  return [...found];
}

/**
 * Those of some prompts that neither run nor wait, with their `executed` events and other messages
 * from the history. Null if the server does not answer.
 * @param {Ask} ask
 * @param {string[]} prompts
 */
export async function endedPrompts(ask, prompts) {
  const queue = await ask("/queue");
  if (!queue) return null;
  const queued = [...queue.queue_running, ...queue.queue_pending].map(([, id]) => id);
  const gone = prompts.filter((prompt) => !queued.includes(prompt));
  return Promise.all(gone.map((prompt) => historyOf(ask, prompt)));
}

/**
 * @param {Ask} ask
 * @param {string} prompt
 */
async function historyOf(ask, prompt) {
  const entry = (await ask(`/history/${prompt}`))?.[prompt];
  const outputs = Object.entries(entry?.outputs ?? {}).map(([node, output]) => {
    const display_node = entry.meta?.[node]?.display_node ?? node;
    return { node, display_node, prompt_id: prompt, output };
  });
  const messages = /** @type {[string, any][]} */ (entry?.status?.messages ?? []);
  return { prompt, outputs, messages };
}
