//! Figures that the tests measured, printed where the run's reader finds them.

export function figure(t, name, ms) {
  t.diagnostic(`figure: ${name}: ${ms.toFixed(1)} ms`);
}

/** How long it takes until `what` is done. */
export async function timed(what) {
  const start = performance.now();
  await what();
  return performance.now() - start;
}

/** `p50 1.2 ms, max 3.4 ms over 30`. */
export function figures(t, name, all) {
  const sorted = [...all].sort((one, other) => one - other);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(1);
  t.diagnostic(`figure: ${name}: p50 ${at(0.5)} ms, max ${at(1)} ms over ${sorted.length}`);
}
