/**
 * The workspace the tests open: a small shop in JavaScript and TypeScript with the things a packer meets (an ignored
 * folder, a binary, a key that must not be quoted). Written from here, so that no tool of this repository takes it for
 * part of the product.
 */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const files: Readonly<Record<string, string | Uint8Array>> = {
  "README.md": `# Ledger

Orders and their totals, in cents. Prices are integers everywhere; see src/money.ts for how they are shown.
`,
  "package.json": `{
  "name": "ledger",
  "version": "1.0.0",
  "type": "module",
  "scripts": { "start": "node src/main.js" }
}
`,
  ".gitignore": "node_modules/\nbuild/\n",
  "build/ignored.js": "export const ignored = true;\n",
  "assets/logo.png": Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13]),
  "src/money.ts": `/** An amount in cents, never a float. */
export type Cents = number;

export function formatCents(amount: Cents): string {
  const sign = amount < 0 ? "-" : "";
  const whole = Math.trunc(Math.abs(amount) / 100);
  const rest = String(Math.abs(amount) % 100).padStart(2, "0");
  return \`\${sign}\${whole}.\${rest}\`;
}
`,
  "src/order.ts": `import type { Cents } from "./money.ts";

export interface Line {
  readonly name: string;
  readonly price: Cents;
  readonly count: number;
}

export interface Order {
  readonly id: string;
  readonly lines: readonly Line[];
}

export function totalOf(order: Order): Cents {
  let total = 0;
  for (const line of order.lines) {
    total += line.price * line.count;
  }
  return total;
}
`,
  "src/main.js": `import { readFileSync } from "node:fs";
import { totalOf } from "./order.ts";

const orders = JSON.parse(readFileSync("orders.json", "utf8"));
for (const order of orders) {
  console.log(order.id, totalOf(order));
}
`,
  "src/util.js": `export function isEmpty(value) {
  return value === undefined || value === null || value.length === 0;
}

`,
};

/** Text files of the fixture that belong in a pack. */
export const packedFiles: readonly string[] = Object.keys(files).filter((name) => !/^(build|assets)\//.test(name));

/** Writes a fresh copy of the workspace under `parent` and returns its folder. */
export function writeFixture(parent: string): string {
  const folder = join(mkdtempSync(join(parent, "copy-")), "ledger");
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}
