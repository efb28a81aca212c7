/** The note of the panel: the error of a run, and links to its unfinished images. */

import { noteOf } from "./texts.js";

/**
 * Write the note, or hide it if there is nothing to say.
 * @param {any} box
 * @param {?import("./model.js").Model} model
 * @param {import("./texts.js").Texts} words
 * @param {(file: import("./model.js").FileRef) => string} href
 */
export function drawNote(box, model, words, href) {
  const text = model ? noteOf(model, words) : "";
  const files = model?.saved ?? [];
  box.hidden = !text && !files.length;
  const written = JSON.stringify([text, files]);
  if (box.dataset.written === written) return;
  box.dataset.written = written;
  box.replaceChildren(text);
  for (const file of files) {
    const link = Object.assign(document.createElement("a"), { target: "_blank", rel: "noopener" });
    link.href = href(file);
    link.textContent = [file.type, file.subfolder, file.filename].filter(Boolean).join("/");
    box.append(text || box.childNodes.length > 1 ? "\n" : "", `${words.unfinished} `, link);
  }
}
