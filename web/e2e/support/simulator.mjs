//! `sensocto simulate`: many sensors at once, for as long as a test wants them.

import { spawn } from "node:child_process";
import { once } from "node:events";

import { BINARY, environment } from "./nodes.mjs";
import { within } from "./deadlines.mjs";

const END_MS = 20_000;

export class Simulator {
  #child;
  #ended;

  /** @param {string[]} urls of the nodes that the sensors are brought to, and the program's further arguments */
  constructor(urls, ...args) {
    const to = urls.flatMap((url) => ["--url", url.replace(/^http/, "ws")]);
    this.#child = spawn(BINARY, ["simulate", ...to, ...args], { env: environment(), stdio: "ignore" });
    this.#ended = once(this.#child, "exit");
    process.on("exit", () => this.#child.kill("SIGKILL"));
  }

  async end() {
    this.#child.kill("SIGINT");
    await within("the simulator ends", this.#ended, END_MS).catch(() => this.#child.kill("SIGKILL"));
  }
}
