/**
 * The one file that imports @vscode/webview-ui-toolkit: buttons, checkbox and progress ring as custom elements that
 * look like VS Code's own. The toolkit is archived (January 2025); to replace it, replace this file.
 */
import {
  type Button,
  type Checkbox,
  provideVSCodeDesignSystem,
  vsCodeButton,
  vsCodeCheckbox,
  vsCodeProgressRing,
} from "@vscode/webview-ui-toolkit";

export type { Button, Checkbox } from "@vscode/webview-ui-toolkit";

/** Call once, before any of these elements is made. */
export function registerToolkit(): void {
  provideVSCodeDesignSystem().register(vsCodeButton(), vsCodeCheckbox(), vsCodeProgressRing());
}

export interface ButtonProps {
  readonly appearance: "primary" | "secondary" | "icon";
  /** Read out, and shown as the tooltip of an icon. */
  readonly label: string;
  readonly onClick: () => void;
}

export function button(props: ButtonProps, ...content: readonly (Node | string)[]): Button {
  // Registered above: the tag makes an element of this class.
  const made = document.createElement("vscode-button") as Button;
  made.setAttribute("appearance", props.appearance);
  made.setAttribute("aria-label", props.label);
  if (props.appearance === "icon") made.title = props.label;
  made.addEventListener("click", props.onClick);
  made.append(...content);
  return made;
}

export function checkbox(label: string, onChange: (checked: boolean) => void): Checkbox {
  const made = document.createElement("vscode-checkbox") as Checkbox; // As above.
  made.textContent = label;
  made.addEventListener("change", () => onChange(made.checked));
  return made;
}

export function progressRing(): HTMLElement {
  return document.createElement("vscode-progress-ring");
}
