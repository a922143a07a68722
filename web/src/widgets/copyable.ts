//! A command that can be copied with one press.

import { element, setText } from "./dom.ts";
import { lineIcon } from "./icons.ts";

const SAID_MS = 2_000;

export class Copyable {
  readonly element: HTMLElement;
  readonly #code = element("code");
  readonly #said = element("span", "copied");
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(what: string) {
    const button = element("button", "copy", [lineIcon("copy")]);
    button.type = "button";
    // It is wider than a phone: whoever has no finger on it scrolls it with the keyboard.
    this.#code.tabIndex = 0;
    button.setAttribute("aria-label", `Copy: ${what}`);
    button.addEventListener("click", () => void this.#copy());
    this.#said.setAttribute("role", "status");
    this.element = element("div", "copyable", [
      element("p", "copyable-what", [what, this.#said]),
      element("div", "copyable-line", [this.#code, button]),
    ]);
  }

  show(text: string): void {
    setText(this.#code, text);
  }

  async #copy(): Promise<void> {
    let said = "copied";
    try {
      await navigator.clipboard.writeText(this.#code.textContent ?? "");
    } catch {
      // A page that is not served over HTTPS or from this machine may not write there; the text is selected instead.
      getSelection()?.selectAllChildren(this.#code);
      said = "selected";
    }
    setText(this.#said, said);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => setText(this.#said, ""), SAID_MS);
  }
}
