//! A bare WebSocket, for what the official client hides: frames in their order, refusals and close codes.

import WebSocket from "ws";

import { DEADLINE_MS, Inbox, within } from "./deadlines.mjs";

const open = new Set();

/** The node answered the upgrade with something else than 101. */
export class Refused extends Error {
  constructor(status, body) {
    super(`HTTP ${status}`);
    this.status = status;
    this.body = body;
  }
}

export class RawSocket {
  #socket;
  inbox = new Inbox();

  constructor(socket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => socket.once("close", (code) => resolve(code)));
    socket.on("message", (data, isBinary) => this.inbox.add(isBinary ? data : JSON.parse(data.toString())));
    socket.on("error", () => {});
  }

  /** `query` is what follows the `?`, and may be empty. */
  static async open(node, query, headers = {}) {
    const url = `${node.socketUrl}/websocket${query === "" ? "" : `?${query}`}`;
    const socket = new WebSocket(url, { headers });
    const raw = new RawSocket(socket);
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    const opened = new Promise((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
      socket.once("unexpected-response", (request, response) => {
        const chunks = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("end", () => reject(new Refused(response.statusCode, Buffer.concat(chunks).toString())));
        response.on("close", () => request.destroy());
      });
    });
    await within(`a socket to ${node.name} opens`, opened);
    return raw;
  }

  /** A frame as it is: text, or bytes for a binary one; `options` are those of `ws`. */
  sendRaw(data, options = {}) {
    this.#socket.send(data, options);
  }

  send(frame) {
    this.#socket.send(JSON.stringify(frame));
  }

  async next(what, wanted, ms = DEADLINE_MS) {
    return await this.inbox.next(what, wanted, ms);
  }

  async closeCode(what, ms = DEADLINE_MS) {
    return await within(what, this.closed, ms);
  }

  close() {
    this.#socket.close(1000);
  }

  /** Takes the connection away without a word, as a crash does. */
  terminate() {
    this.#socket.terminate();
  }
}

export function endRawSockets() {
  for (const socket of open) socket.terminate();
}

/** A binary push of the V2 serializer, as the official client writes it. */
export function binaryPush(joinRef, ref, topic, event, data) {
  const fields = [joinRef, ref, topic, event].map((text) => Buffer.from(text));
  return Buffer.concat([Buffer.from([0, ...fields.map((field) => field.length)]), ...fields, data]);
}
