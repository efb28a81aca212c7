/** The picture file that was last dropped, opened or pasted: it may carry a workflow with a search. */

const SMALL = 288; // px of the longer side, as of a result that an event brings

/** Hears of files on a page; nothing is kept from the host, which reads the workflow in them. */
export class Dropped {
  /** @param {EventTarget} page */
  constructor(page) {
    /** @type {?Blob | Promise<?Blob>} */
    this.file = null;
    for (const type of ["drop", "paste", "change"]) {
      page.addEventListener(type, (event) => this.see(/** @type {any} */ (event)), true);
    }
  }

  /** @param {{dataTransfer?: DataTransfer, clipboardData?: DataTransfer, target: any}} event */
  see({ dataTransfer, clipboardData, target }) {
    const files = (dataTransfer ?? clipboardData ?? target)?.files;
    const address = dataTransfer?.getData("text/uri-list").split("\n")[0];
    const picture = [...(files ?? [])].find((file) => file.type.startsWith("image/"));
    if (picture) this.file = picture;
    else if (address && address.startsWith(`${location.origin}/`)) this.file = fetched(address);
    else if (files?.length) this.file = null;
  }

  /**
   * The last file, small and as an address of the page, if it is the one that carries a report.
   * @param {any} report
   * @returns {Promise<?{jpeg: string, url: string}>}
   */
  async of(report) {
    const file = await this.file;
    if (!file || !(await carries(file, report))) return null;
    return { jpeg: await small(file), url: URL.createObjectURL(file) };
  }
}

/** @param {string} address of a picture on this server */
async function fetched(address) {
  const answer = await fetch(address);
  return answer.ok ? answer.blob() : null;
}

/**
 * Whether a file carries a report: its seconds have so many digits that no other has the same.
 * @param {Blob} file
 * @param {any} report
 */
export async function carries(file, report) {
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
