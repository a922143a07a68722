//! How long changes take from every node to every other one, as they measure it themselves.

import { formatAge, formatCount, formatText } from "../../format.ts";
import type { Matrix, Times } from "../../wire/cluster.ts";
import { element, setAttribute, setText } from "../../widgets/dom.ts";

/** A row that is older than this is of a node that does not say how it is. */
const OLD_MS = 15_000;
/** Shades of the cells, up to so many microseconds each; what is above the last is the darkest. */
const SHADES_US = [2_000, 10_000, 50_000, 200_000];

function timeWords(us: number): string {
  if (us < 1_000) return `${us} µs`;
  return `${(us / 1_000).toFixed(us < 10_000 ? 1 : 0)} ms`;
}

export class MatrixTable {
  readonly #table: HTMLTableElement;
  #names: readonly string[] = [];
  #cells = new Map<string, { cell: HTMLElement; p50: HTMLElement; p99: HTMLElement }>();

  constructor(table: HTMLTableElement) {
    this.#table = table;
  }

  show(matrix: Matrix): void {
    const names = [...new Set(matrix.rows.flatMap((row) => [row.to, ...row.from.keys()]))].sort();
    if (names.join("\n") !== this.#names.join("\n")) this.#build(names);
    const rows = new Map(matrix.rows.map((row) => [row.to, row]));
    for (const to of names) {
      const row = rows.get(to);
      for (const from of names) {
        if (from === to) continue;
        this.#show(from, to, row?.from.get(from), row?.age_ms ?? Infinity);
      }
    }
  }

  #show(from: string, to: string, times: Times | undefined, age: number): void {
    const found = this.#cells.get(`${from}\n${to}`);
    if (found === undefined) return;
    const { cell, p50, p99 } = found;
    const known = times !== undefined && times.samples > 0;
    setText(p50, known ? timeWords(times.p50_us) : "–");
    setText(p99, known ? `p99 ${timeWords(times.p99_us)}` : "");
    const shade = known ? SHADES_US.filter((limit) => times.p50_us > limit).length : 0;
    setAttribute(cell, "data-shade", String(shade));
    setAttribute(cell, "data-old", String(age > OLD_MS));
    const measured = known ? `${formatCount(times.samples, "change", "changes")} measured, clocks may be wrong by ${timeWords(times.error_us)}` : "not measured";
    setAttribute(cell, "title", `From ${from} to ${to}: ${measured}${age > OLD_MS && Number.isFinite(age) ? `, as it said ${formatAge(age)} ago` : ""}`);
  }

  #build(names: readonly string[]): void {
    this.#names = names;
    this.#cells = new Map();
    const corner = element("th", "", ["from ↓ to →"]);
    corner.scope = "col";
    const head = element("tr", "", [corner, ...names.map((name) => scoped("col", name))]);
    const rows = names.map((from) => {
      const cells = names.map((to) => {
        if (from === to) return element("td", "matrix-self", ["·"]);
        const [p50, p99] = [element("span", "matrix-p50"), element("span", "matrix-p99")];
        const cell = element("td", "matrix-cell", [p50, p99]);
        this.#cells.set(`${from}\n${to}`, { cell, p50, p99 });
        return cell;
      });
      return element("tr", "", [scoped("row", from), ...cells]);
    });
    this.#table.replaceChildren(element("thead", "", [head]), element("tbody", "", rows));
  }
}

function scoped(scope: "row" | "col", name: string): HTMLTableCellElement {
  const cell = element("th", "", [formatText(name)]);
  cell.scope = scope;
  return cell;
}
