//! Small means to build and update the page in place.
//!
//! Names come from sensors, so text enters the page through text nodes only; nothing here parses markup.

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = "",
  children: readonly (Node | string)[] = [],
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className !== "") made.className = className;
  made.append(...children);
  return made;
}

/** Writes only what differs: an equal text written again would disturb selections and screen readers. */
export function setText(node: Element, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node: Element, name: string, value: string): void {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

export function setHidden(node: HTMLElement, hidden: boolean): void {
  if (node.hidden !== hidden) node.hidden = hidden;
}

/** The element with this id, which index.html is known to have. */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`index.html has no ${type.name} #${id}`);
  return found;
}

/**
 * Makes `children` the children of `parent`, in this order, and moves only what stands elsewhere.
 *
 * What is to go goes first: otherwise one removal at the top would move everything below it.
 */
export function placeInOrder(parent: Element, children: readonly Element[]): void {
  const wanted = new Set(children);
  for (const child of [...parent.children]) {
    if (!wanted.has(child)) child.remove();
  }
  let cursor = parent.firstElementChild;
  for (const child of children) {
    if (child === cursor) cursor = cursor.nextElementSibling;
    else parent.insertBefore(child, cursor);
  }
}

/** Rows by key: each is made once, updated in place, and goes with its key. */
export class KeyedList<T> {
  readonly #parent: Element;
  readonly #make: (key: string) => { element: Element; update: (value: T) => void };
  readonly #rows = new Map<string, { element: Element; update: (value: T) => void }>();

  constructor(parent: Element, make: (key: string) => { element: Element; update: (value: T) => void }) {
    this.#parent = parent;
    this.#make = make;
  }

  show(values: Iterable<readonly [string, T]>): void {
    const order: Element[] = [];
    const shown = new Set<string>();
    for (const [key, value] of values) {
      let row = this.#rows.get(key);
      if (row === undefined) {
        row = this.#make(key);
        this.#rows.set(key, row);
      }
      row.update(value);
      order.push(row.element);
      shown.add(key);
    }
    for (const key of this.#rows.keys()) {
      if (!shown.has(key)) this.#rows.delete(key);
    }
    placeInOrder(this.#parent, order);
  }
}

/** Fills a list of choices and keeps the chosen one, even where it is not offered any more. */
export function setOptions(select: HTMLSelectElement, all: string, values: readonly string[]): void {
  const chosen = select.value;
  const offered = chosen === "" || values.includes(chosen) ? values : [...values, chosen];
  const wanted = ["", ...offered];
  const present = [...select.options].map((option) => option.value);
  if (wanted.length === present.length && wanted.every((value, at) => value === present[at])) return;
  select.replaceChildren(...wanted.map((value) => new Option(value === "" ? all : value, value)));
  select.value = chosen;
}
