//! The colours of the style sheet, for what is drawn on a canvas.

const NAMES = ["text", "muted", "line", "surface", "sunken", "accent", "fresh", "stale", "orphaned", "warming", "series-1", "series-2", "series-3"] as const;
export type Colour = (typeof NAMES)[number];

let known: Record<Colour, string> | null = null;
let version = 0;

/** Grows when the colours change, so that a drawing knows that it is out of date. */
export function coloursVersion(): number {
  return version;
}

export function colour(name: Colour): string {
  if (known === null) {
    const style = getComputedStyle(document.documentElement);
    known = Object.fromEntries(NAMES.map((one) => [one, style.getPropertyValue(`--${one}`).trim()])) as Record<Colour, string>;
  }
  return known[name];
}

export function onColoursChange(changed: () => void): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    known = null;
    version += 1;
    changed();
  });
}
