/** What the panel's elements share. No host; nothing happens on import. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {string} [text]
 */
export function svg(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}

/**
 * Draws in the next frame, at most once each `every` ms, and only while on the page.
 * @param {HTMLElement} element
 * @param {() => void} draw
 * @param {number} [every]
 */
export function drawer(element, draw, every = 0) {
  let asked = false;
  let last = -Infinity;
  const frame = () =>
    requestAnimationFrame(() => {
      asked = false;
      last = performance.now();
      if (element.isConnected) draw();
    });
  return () => {
    if (asked) return;
    asked = true;
    const wait = last + every - performance.now();
    if (wait > 0) setTimeout(frame, wait);
    else frame();
  };
}

/**
 * Where a picture's small version is, or its file where there is none.
 * @param {import("./store.js").Picture} picture
 * @param {(file: import("./store.js").FileRef) => string} href
 */
export function source({ jpeg, file }, href) {
  if (jpeg) return `data:image/jpeg;base64,${jpeg}`;
  return file ? href(file) : "";
}

/**
 * Write the heading of a section.
 * @param {any} head
 * @param {string} text
 * @param {string[][]} keys colour and word
 */
export function heading(head, text, keys = []) {
  const told = text + keys.map(([, word]) => word).join();
  if (head.dataset.told === told) return;
  head.dataset.told = told;
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
 * A base class of elements that draw a search; made on demand, since Node.js has no HTMLElement.
 * `search`, `words` are set from outside; each change asks for a drawing.
 */
export function viewBase() {
  return class View extends HTMLElement {
    constructor() {
      super();
      this.root = this.attachShadow({ mode: "open" });
      /** @type {?import("./store.js").Search} */
      this._search = null;
      /** @type {import("./texts.js").Texts | null} */
      this._words = null;
      /** @type {(file: import("./store.js").FileRef) => string} */
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
     * @param {?import("./store.js").Search} search
     * @param {import("./texts.js").Texts} words
     */
    show(search, words) {
      this._search = search;
      this._words = words;
      this.redraw();
    }

    /**
     * @param {import("./store.js").Search} _search
     * @param {import("./texts.js").Texts} _words
     */
    draw(_search, _words) {
      throw new Error("a view has to draw");
    }

    /**
     * @param {string} type
     * @param {?number} id of a particle
     */
    tell(type, id) {
      this.dispatchEvent(new CustomEvent(type, { detail: id }));
    }
  };
}
