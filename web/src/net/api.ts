//! The HTTP API of whichever node the page is connected to.

import { fieldsOf, textOf } from "../wire/entries.ts";

const ANSWER_MS_MAX = 5_000;

/** What went wrong, in the gateway's own words where it gave some. */
export class ApiProblem extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export class Api {
  readonly #base: () => string;
  readonly #token: string | null;

  constructor(base: () => string, token: string | null) {
    this.#base = base;
    this.#token = token;
  }

  /** Whether the page speaks for a user. */
  get signedIn(): boolean {
    return this.#token !== null;
  }

  get(path: string): Promise<unknown> {
    return this.call("GET", path);
  }

  /** The same of another node; a page of one node may read what the others answer. */
  getOf(base: string, path: string): Promise<unknown> {
    return this.call("GET", path, undefined, base);
  }

  /** The answer's JSON, or `null` where it has no body. Rejects with an `ApiProblem`. */
  async call(method: string, path: string, body?: object, base = this.#base()): Promise<unknown> {
    const headers: Record<string, string> = {};
    if (this.#token !== null) headers["authorization"] = `Bearer ${this.#token}`;
    if (body !== undefined) headers["content-type"] = "application/json";
    const init: RequestInit = { method, headers, signal: AbortSignal.timeout(ANSWER_MS_MAX), credentials: "omit", cache: "no-store" };
    if (body !== undefined) init.body = JSON.stringify(body);
    let answer: Response;
    try {
      answer = await fetch(`${base}${path}`, init);
    } catch {
      throw new ApiProblem(0, "unreachable", "The node does not answer.");
    }
    const text = await answer.text();
    const json = text === "" ? null : parsed(text);
    if (answer.ok) return json;
    const error = fieldsOf(fieldsOf(json)?.["error"]);
    throw new ApiProblem(answer.status, textOf(error?.["code"]) ?? "", textOf(error?.["message"]) ?? `HTTP ${answer.status}`);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
