//! Waiting with a deadline: for a promise, for a condition, for the next message. Nothing here sleeps or tries again.

/** Long enough for a loaded machine. A test that measures asserts its own, much smaller figure. */
export const DEADLINE_MS = 10_000;

/**
 * The promise's outcome, or an error that says what was waited for.
 *
 * @template T
 * @param {string} what
 * @param {Promise<T>} promise
 * @param {number} ms
 * @returns {Promise<T>}
 */
export async function within(what, promise, ms = DEADLINE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Something that changes, and can be waited for. */
export class Observed {
  #waiters = new Set();

  /** Whoever waits looks again. */
  changed() {
    for (const look of [...this.#waiters]) look();
  }

  /**
   * The first truthy value of `probe`, which is asked at once and after each change.
   *
   * @template T
   * @param {string} what
   * @param {() => T} probe
   * @param {number} ms
   * @returns {Promise<T>}
   */
  async until(what, probe, ms = DEADLINE_MS) {
    let look;
    const found = new Promise((resolve, reject) => {
      look = () => {
        try {
          const value = probe();
          if (value) resolve(value);
        } catch (error) {
          reject(error);
        }
      };
      this.#waiters.add(look);
      look();
    });
    try {
      return await within(what, found, ms);
    } catch (error) {
      error.message += this.describe();
      throw error;
    } finally {
      this.#waiters.delete(look);
    }
  }

  /** What there is, for the message of an error. */
  describe() {
    return "";
  }
}

/** Messages in the order of their arrival, read one after the other. */
export class Inbox extends Observed {
  all = [];
  #read = 0;

  add(message) {
    this.all.push(message);
    this.changed();
  }

  /** The next message that `wanted` takes; those before it count as read. */
  async next(what, wanted = () => true, ms = DEADLINE_MS) {
    const at = await this.until(
      what,
      () => {
        const found = this.all.findIndex((message, index) => index >= this.#read && wanted(message));
        return found < 0 ? null : { found };
      },
      ms,
    );
    this.#read = at.found + 1;
    return this.all[at.found];
  }

  /** What has come and was not read. */
  get unread() {
    return this.all.slice(this.#read);
  }

  describe() {
    const last = this.all.slice(-5).map((message) => JSON.stringify(message)?.slice(0, 300));
    return `; read ${this.#read} of ${this.all.length}, the last: ${last.join(" | ")}`;
  }
}
