import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const style = readFileSync(new URL("style.css", import.meta.url), "utf8").replaceAll(/\/\*[\s\S]*?\*\//g, "");

test("no colour but the theme's", () => {
  const declarations = [...style.matchAll(/([\w-]+)\s*:\s*([^;{}]+);/g)].filter(([, name]) =>
    /color|background|border|outline|fill|stroke|shadow/.test(name ?? ""),
  );
  expect(declarations.length).toBeGreaterThan(40);
  const own = declarations.filter(([, , value]) =>
    /#[\da-f]{3}|\b(rgb|hsl|oklch|lab|color-mix)a?\(|\b(white|black|red|green|blue|gr[ae]y|orange|yellow)\b/i.test(
      (value ?? "").replaceAll(/var\([^)]*\)+/g, ""),
    ),
  );
  expect(own.map(([whole]) => whole)).toEqual([]);
});

test("nothing is loaded from anywhere", () => {
  expect(style).not.toMatch(/url\(|@import|@font-face/);
});
