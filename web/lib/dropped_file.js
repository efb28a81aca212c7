/** The image file that was last dropped, opened or pasted. It may contain a saved search. */

const SMALL = 288; // px of the longer side; as in RESULT of nodes/show/gallery.py

/** Remembers the last file of a page. The host still gets every event and reads the workflow. */
export class DroppedFile {
  /** @param {EventTarget} page */
  constructor(page) {
    /** @type {?Blob | Promise<?Blob>} */
    this.file = null;
    for (const type of ["drop", "paste", "change"]) {
      page.addEventListener(type, (event) => this.remember(/** @type {any} */ (event)), true);
    }
  }

  /** @param {{dataTransfer?: DataTransfer, clipboardData?: DataTransfer, target: any}} event */
  remember({ dataTransfer, clipboardData, target }) {
    const files = (dataTransfer ?? clipboardData ?? target)?.files;
    const address = dataTransfer?.getData("text/uri-list").split("\n")[0];
    const image = [...(files ?? [])].find((file) => file.type.startsWith("image/"));
    if (image) this.file = image;
    else if (address && address.startsWith(`${location.origin}/`)) this.file = download(address);
    else if (files?.length) this.file = null;
  }

  /**
   * The last file as a small JPEG and as an address of the page; null if it does not contain
   * `report`.
   * @param {any} report
   * @returns {Promise<?{jpeg: string, url: string}>}
   */
  async imageOf(report) {
    const file = await this.file;
    if (!file || !(await contains(file, report))) return null;
    return { jpeg: await small(file), url: URL.createObjectURL(file) };
  }
}

/** @param {string} address of an image on this server */
async function download(address) {
  const answer = await fetch(address);
  return answer.ok ? answer.blob() : null;
}

/**
 * Whether a file contains a report. It looks for the total seconds, which have enough digits to be
 * unique.
 * @param {Blob} file
 * @param {any} report
 */
export async function contains(file, report) {
  const text = new TextDecoder("latin1").decode(await file.arrayBuffer());
  const { total } = report.spent.seconds;
  return [" ", ""].some((blank) => text.includes(`"total":${blank}${total}`));
}

/** @param {Blob} file @returns {Promise<string>} a small JPEG in base64 */
async function small(file) {
  const image = await createImageBitmap(file);
  const scale = Math.min(1, SMALL / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width * scale, image.height * scale];
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.8).split(",")[1];
}
