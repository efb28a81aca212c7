/** Helpers of the panel's elements. They know nothing of the host and have no effect on import. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * A new SVG element.
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {string} [text]
 */
export function svg(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  if (text !== undefined) element.textContent = text;
  return element;
}

/**
 * A function that draws in the next frame, at most once per `interval` ms, while the element is on
 * the page.
 * @param {HTMLElement} element
 * @param {() => void} draw
 * @param {number} [interval] ms
 */
export function drawer(element, draw, interval = 0) {
  let scheduled = false;
  let last = -Infinity;
  const frame = () =>
    requestAnimationFrame(() => {
      scheduled = false;
      last = performance.now();
      if (element.isConnected) draw();
    });
  return () => {
    if (scheduled) return;
    scheduled = true;
    const wait = last + interval - performance.now();
    if (wait > 0) setTimeout(frame, wait);
    else frame();
  };
}

/**
 * Address of the small version of an image, or of its file if there is none.
 * @param {import("./model.js").Picture} picture
 * @param {(file: import("./model.js").FileRef) => string} href
 */
export function source({ jpeg, file }, href) {
  if (jpeg) return `data:image/jpeg;base64,${jpeg}`;
  return file ? href(file) : "";
}

/**
 * Write the heading of a section.
 * @param {any} head
 * @param {string} text
 * @param {string[][]} keys of the legend: colour and word
 */
export function heading(head, text, keys = []) {
  const written = text + keys.map(([, word]) => word).join();
  if (head.dataset.written === written) return;
  head.dataset.written = written;
  head.innerHTML = "<span></span>";
  head.firstChild.textContent = head.title = text;
  for (const [colour, word] of keys) {
    const key = document.createElement("i");
    key.style.setProperty("--key", colour);
    key.textContent = word;
    head.append(key);
  }
}

/**
 * A base class of elements that draw a search. `show` sets the search and the texts, and redraws.
 * The class is made on demand, since Node.js has no HTMLElement.
 */
export function viewBase() {
  return class View extends HTMLElement {
    constructor() {
      super();
      this.root = this.attachShadow({ mode: "open" });
      /** @type {?import("./model.js").Search} */
      this._search = null;
      /** @type {import("./texts.js").Texts | null} */
      this._words = null;
      /** @type {(file: import("./model.js").FileRef) => string} */
      this.href = () => "";
      this.redraw = drawer(
        this,
        () => this._search && this._words && this.draw(this._search, this._words),
      );
      this.sizes = new ResizeObserver(this.redraw);
    }

    connectedCallback() {
      this.sizes.observe(this);
      this.redraw();
    }

    disconnectedCallback() {
      this.sizes.disconnect();
    }

    /**
     * @param {?import("./model.js").Search} search
     * @param {import("./texts.js").Texts} words
     */
    show(search, words) {
      this._search = search;
      this._words = words;
      this.redraw();
    }

    /**
     * @param {import("./model.js").Search} _search
     * @param {import("./texts.js").Texts} _words
     */
    draw(_search, _words) {
      throw new Error("A view must define draw().");
    }

    /**
     * Dispatch an event about a particle to the panel.
     * @param {string} type
     * @param {?number} id of a particle
     */
    emit(type, id) {
      this.dispatchEvent(new CustomEvent(type, { detail: id }));
    }
  };
}
