import { expect, test } from "vitest";
import type { PackSummary } from "../../../engine/api.ts";
import { bytes, packReport } from "./report.ts";

const summary: PackSummary = {
  id: "abc123",
  root: "/home/x/ledger",
  files: 3,
  tokens: 1000,
  bytes: 4200,
  folders: [
    { path: "", files: 1, tokens: 100 },
    { path: "src", files: 2, tokens: 900 },
  ],
  omitted: [
    { path: "a|b`c.bin", reason: "binary", bytes: 12 },
    { path: "big.csv", reason: "too large (2 MB, limit 1 MB)", bytes: 2_000_000 },
  ],
  milliseconds: 1234,
};

test("totals, folders by weight, and every omission with its reason", () => {
  expect(packReport(summary)).toMatchInlineSnapshot(`
    "# Packed ledger

    **3 files · 1,000 tokens · 4.2 KB** in 1.23 s.

    The same files always give the same bytes: \`abc123\`

    ## Tokens by folder

    | Folder | Files | Tokens | Share |
    | :----- | ----: | -----: | ----: |
    | \`src\`  |     2 |    900 | 90.0% |
    | \`.\`    |     1 |    100 | 10.0% |

    ## Left out

    | Path             | Why                          |   Size |
    | :--------------- | :--------------------------- | -----: |
    | \`\` a\\|b\`c.bin \`\` | binary                       |   12 B |
    | \`big.csv\`        | too large (2 MB, limit 1 MB) | 2.0 MB |
    "
  `);
});

test("nothing left out is said in words", () => {
  expect(packReport({ ...summary, omitted: [] })).toContain("Nothing was left out.");
});

test("a long list is cut, and says by how much", () => {
  const omitted = Array.from({ length: 600 }, (_, i) => ({ path: `f${i}`, reason: "binary", bytes: 1 }));
  expect(packReport({ ...summary, omitted })).toContain("…and 100 more paths.");
});

test("sizes", () => {
  expect([0, 999, 1000, 12_345, 1.5e9].map(bytes)).toEqual(["0 B", "999 B", "1.0 KB", "12 KB", "1.5 GB"]);
});
