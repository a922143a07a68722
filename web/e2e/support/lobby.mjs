//! What the tests look for on the lobby's pages.

export const VISIBLE_MS = 10_000;

export async function shown(locator, ms = VISIBLE_MS) {
  await locator.first().waitFor({ state: "visible", timeout: ms });
}

export async function gone(locator, ms = VISIBLE_MS) {
  await locator.waitFor({ state: "detached", timeout: ms });
}

/** One page of the lobby. */
export class LobbyPage {
  constructor(page) {
    this.page = page;
  }

  /** Opens it on a node, as a user where there is a token, and waits until it is connected. */
  async open(node, token = null, hash = "") {
    await this.page.goto(`${node.url}/${token === null ? hash : `#token=${token}`}`);
    await shown(this.connection("connected"));
    if (token !== null && hash !== "") await this.go(hash);
  }

  async go(hash) {
    await this.page.evaluate((to) => {
      location.hash = to;
    }, hash);
  }

  connection(kind) {
    return this.page.locator(`#connection[data-connection="${kind}"]`);
  }

  connectedTo(name) {
    return this.page.locator("#connected-node", { hasText: new RegExp(`^${name}$`) });
  }

  /** The tile of a sensor; `marks` are attributes of it that have to hold as well. */
  tile(id, marks = "") {
    return this.page.locator(`.tile[data-sensor-id=${JSON.stringify(id)}]${marks}`);
  }

  value(id, attribute, text) {
    return this.tile(id).locator(`[data-attribute=${JSON.stringify(attribute)}] .value`).filter({ hasText: text });
  }

  place(id, text) {
    return this.tile(id).locator(".tile-place").filter({ hasText: text });
  }

  count(what, text) {
    return this.page.locator(`#count-${what}`, { hasText: new RegExp(`^${text}$`) });
  }

  /** What is on the screen, as [id, name], in the order of the grid. */
  async tiles() {
    return await this.page.locator(".tile[data-sensor-id]").evaluateAll((tiles) =>
      tiles.map((tile) => [tile.dataset.sensorId, tile.querySelector(".tile-name").textContent]));
  }
}
