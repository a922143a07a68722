//! A picture for each type of sensor, drawn with a few strokes on a square of 24.

const SVG = "http://www.w3.org/2000/svg";

const STROKES: Readonly<Record<string, string>> = {
  heartrate: "M12 20s-7.5-4.6-7.5-10A4.2 4.2 0 0 1 12 7.2 4.2 4.2 0 0 1 19.5 10c0 5.4-7.5 10-7.5 10z",
  ecg: "M2.5 12.500h4.500l2-6 4 12 2.5-9 1.5 3h4.5",
  temperature: "M10 14V5.500a2 2 0 0 1 4 0V14a4 4 0 1 1-4 0z M12 9.500v7",
  humidity: "M12 3.500s6 6.5 6 11a6 6 0 0 1-12 0c0-4.5 6-11 6-11z",
  battery: "M3.5 8.500h15v8h-15z M21 11v3 M6 11v3 M9 11v3",
  geolocation: "M12 21s-6.5-6-6.5-11a6.5 6.5 0 0 1 13 0c0 5-6.5 11-6.5 11z M12 12.200a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.400z",
  imu: "M12 12V4 M12 12l7 4.5 M12 12l-7 4.5 M12 4l-1.5 2 M12 4l1.5 2",
  button: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16z M12 15.500a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z",
  pressure: "M4.5 17a8.5 8.5 0 1 1 15 0 M12 13.500l3.5-5 M12 15a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3z",
  respiration: "M3 9.500h10.500a2.7 2.7 0 1 0-2.7-2.7 M3 13.500h15a2.7 2.7 0 1 1-2.7 2.7 M3 17.500h7",
  light: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8z M12 3v2 M12 19v2 M3 12h2 M19 12h2 M5.6 5.6 7 7 M17 17l1.4 1.4 M18.4 5.6 17 7 M7 17l-1.4 1.4",
  steps: "M8 4c2 0 2.5 3 2.3 5L10 12H6.500C5.5 9 5.5 4 8 4z M6.8 14.500h3a1.6 1.6 0 1 1-3 0z M16 7c-2 0-2.5 3-2.3 5l.3 3h3.500c1-3 1-8-1.5-8z M14.2 17.500h3a1.6 1.6 0 1 1-3 0z",
  air_quality: "M7 18a4 4 0 0 1-.5-8 5.5 5.5 0 0 1 10.7 1A3.5 3.5 0 0 1 17 18z",
  spo2: "M9 19a5 5 0 0 1-5-5c0-3.5 5-9.5 5-9.500s5 6 5 9.500a5 5 0 0 1-5 5z M16.5 13.500h3.500l-3.5 4.500h3.5",
};

const OTHER = "M12 14a2 2 0 1 0 0-4 2 2 0 0 0 0 4z M7.8 16.200a6 6 0 0 1 0-8.4 M16.2 7.800a6 6 0 0 1 0 8.4 M5 19A10 10 0 0 1 5 5 M19 5a10 10 0 0 1 0 14";

export const LINES: Readonly<Record<"pin" | "copy" | "back", string>> = {
  pin: "M9 4h6l-.7 6 3.2 3.500H6.500L9.7 10z M12 13.500V20",
  copy: "M9 9h10v11H9z M5 15V4h10",
  back: "M14 6l-6 6 6 6",
};

function svg(strokes: string): SVGSVGElement {
  const made = document.createElementNS(SVG, "svg");
  made.setAttribute("viewBox", "0 0 24 24");
  made.setAttribute("class", "icon");
  made.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", strokes);
  made.append(path);
  return made;
}

export function lineIcon(name: keyof typeof LINES): SVGSVGElement {
  return svg(LINES[name]);
}

/** The picture of a type, which can become that of another one. */
export class TypeIcon {
  readonly element = svg(OTHER);
  #type = "";

  show(type: string): void {
    if (type === this.#type) return;
    this.#type = type;
    // The type is any text: it is looked up, never put into the page.
    const strokes = Object.hasOwn(STROKES, type) ? STROKES[type] : OTHER;
    this.element.firstElementChild?.setAttribute("d", strokes ?? OTHER);
  }
}
