/**
 * Whether the words of a page can be read: the contrast of every piece of text with what it stands on, as WCAG 2.2
 * counts it (success criterion 1.4.3: at least 4.5, or 3 for large letters).
 */
import type { Locator } from "playwright-core";

export interface FaintText {
  readonly text: string;
  readonly contrast: number;
}

/** Texts inside `root` that fall short. `backdrop` names the theme colour under the page, whose own is transparent. */
export function faintTexts(root: Locator, backdrop: string): Promise<readonly FaintText[]> {
  // This function runs in the page, so everything it needs is inside it.
  return root.evaluate((element, backdropName) => {
    const canvas = new OffscreenCanvas(1, 1);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (!context) throw new Error("the page has no canvas to mix colours on");
    const base = getComputedStyle(document.documentElement).getPropertyValue(backdropName);

    /** The colour that the layers make, painted one over the other: any CSS colour, with its own and its layer's alpha. */
    const mixed = (layers: readonly (readonly [colour: string, alpha: number])[]): readonly number[] => {
      for (const [colour, alpha] of layers) {
        context.fillStyle = colour;
        context.globalAlpha = alpha;
        context.fillRect(0, 0, 1, 1);
      }
      return [...context.getImageData(0, 0, 1, 1).data];
    };
    const luminance = (rgb: readonly number[]): number => {
      const [red = 0, green = 0, blue = 0] = rgb.map((value) => {
        const share = value / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const parentOf = (node: Element): Element | null => {
      if (node.assignedSlot) return node.assignedSlot;
      if (node.parentElement) return node.parentElement;
      const owner = node.getRootNode();
      return owner instanceof ShadowRoot ? owner.host : null;
    };

    const faint: { text: string; contrast: number }[] = [];
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const holder = node.parentElement;
      const text = node.textContent?.trim() ?? "";
      if (!holder || text === "" || !holder.checkVisibility({ opacityProperty: true, visibilityProperty: true }))
        continue;
      if (holder.closest(".for-screen-reader, [disabled], script, style")) continue;
      const path: Element[] = [];
      for (let at: Element | null = holder; at; at = parentOf(at)) path.unshift(at);
      let alpha = 1;
      const layers: [string, number][] = [[base, 1]];
      for (const at of path) {
        const style = getComputedStyle(at);
        alpha *= Number(style.opacity);
        layers.push([style.backgroundColor, alpha]);
      }
      const ground = luminance(mixed(layers));
      const style = getComputedStyle(holder);
      const letters = luminance(mixed([...layers, [style.color, alpha]]));
      const contrast = (Math.max(ground, letters) + 0.05) / (Math.min(ground, letters) + 0.05);
      const sizePx = Number.parseFloat(style.fontSize);
      const isLarge = sizePx >= 24 || (sizePx >= 18.66 && Number(style.fontWeight) >= 700);
      if (contrast < (isLarge ? 3 : 4.5))
        faint.push({ text: text.slice(0, 60), contrast: Number(contrast.toFixed(2)) });
    }
    return faint;
  }, backdrop);
}
