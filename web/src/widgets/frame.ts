//! One animation frame for everybody: what many messages change is drawn once.

type Draw = (now: number) => void;

const waiting = new Set<Draw>();
const running = new Set<Draw>();
let requested = false;

function request(): void {
  if (requested) return;
  requested = true;
  requestAnimationFrame((now) => {
    requested = false;
    const due = [...waiting];
    waiting.clear();
    for (const draw of due) draw(now);
    for (const draw of running) draw(now);
    if (running.size > 0 || waiting.size > 0) request();
  });
}

/** Runs in the next frame, once, however often it is asked for. */
export function draw(what: Draw): void {
  waiting.add(what);
  request();
}

/** Runs in every frame until it is stopped. */
export function animate(what: Draw): void {
  running.add(what);
  request();
}

export function stop(what: Draw): void {
  running.delete(what);
  waiting.delete(what);
}

const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Whether somebody asked for no motion. */
export function isStill(): boolean {
  return still.matches;
}
