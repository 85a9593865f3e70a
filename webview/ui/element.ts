/** Making DOM without HTML strings: what is text stays text. */

interface Props {
  readonly className?: string;
  readonly text?: string;
  readonly title?: string;
  readonly hidden?: boolean;
  readonly attributes?: Readonly<Record<string, string>>;
}

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: readonly Node[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (props.className) made.className = props.className;
  if (props.text !== undefined) made.textContent = props.text;
  if (props.title) made.title = props.title;
  if (props.hidden) made.hidden = true;
  for (const [name, value] of Object.entries(props.attributes ?? {})) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** 16 × 16 outlines in the text's colour, drawn for this panel. */
const outlines = {
  send: "M2.5 8h10M8.5 3.5 13 8l-4.5 4.5",
  stop: "M4.5 4.5h7v7h-7z",
  copy: "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z",
  check: "m3 8.5 3.2 3.2L13 5",
  insert: "M2.5 3.5h11M2.5 12.5h11M8 6v4.5M6 8.7l2 2 2-2",
  retry: "M13 8a5 5 0 1 1-1.6-3.7M13 2.5v2.8h-2.8",
  down: "M8 3v9.5M3.8 8.5 8 12.7l4.2-4.2",
} as const;

export type IconName = keyof typeof outlines;

export function icon(name: IconName): SVGSVGElement {
  const namespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(namespace, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(namespace, "path");
  path.setAttribute("d", outlines[name]);
  svg.append(path);
  return svg;
}
