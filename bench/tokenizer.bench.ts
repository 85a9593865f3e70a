/**
 * Our tokenizer against the WebAssembly one of the `tiktoken` package: same vocabulary, same pattern, same text, one core.
 *
 *   node bench/tokenizer.bench.ts [--tokenizer FILE] [--megabytes 40]
 *
 * FILE is Llama 4's `tokenizer.model`. The text is source of the packages we depend on: .js, .ts and .md files under
 * node_modules in an order that depends on their paths alone. Both sides get it file by file and must give the same ids.
 * Ours starts cold, with an empty memory of pieces: the first pass is the one to compare, the second shows what warmth is
 * worth. Seconds are processor seconds of this process, its collector's threads included, so that other programs do not count.
 *
 * Prints a table, writes bench/results/tokenizer.csv, exits 1 when an id differs.
 */
import { createHash } from "node:crypto";
import { existsSync, globSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { parseArgs } from "node:util";
import type { Tokenizer } from "../engine/formats/tokenizer/tokenizer.ts";
import { tokenizerFromTiktoken } from "../engine/formats/tokenizer/tokenizerFromTiktoken.ts";
import { openTiktoken } from "./peers/tiktoken.ts";

interface Row {
  readonly encoder: string;
  readonly pass: string;
  readonly tokens: number;
  readonly seconds: number;
}

const { values } = parseArgs({
  options: {
    tokenizer: { type: "string", default: "../shared/llama4/tokenizer.model" },
    megabytes: { type: "string" },
  },
});

async function main(tokenizerPath: string, megabytes: number): Promise<number> {
  if (!existsSync(tokenizerPath)) {
    console.error(`${tokenizerPath}: no such file; give Llama 4's tokenizer.model with --tokenizer`);
    return 2;
  }
  const model = readFileSync(tokenizerPath);
  const peer = await openTiktoken(model.toString("latin1"));
  if (peer === null) {
    console.error("tiktoken is not installed: run `npm run peers`");
    return 2;
  }

  const texts = sourceTexts(megabytes * 1e6);
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const loading = processorSeconds();
  const tokenizer = tokenizerFromTiktoken(model);
  console.log(
    `${texts.length} files, ${(bytes / 1e6).toFixed(1)} MB; vocabulary read in ${(processorSeconds() - loading).toFixed(2)} s`,
  );

  const ours: Uint32Array[] = [];
  const rows: Row[] = [
    time("outrider", "encode, first", () => keepAll(texts, (text) => tokenizer.encode(text), ours)),
    time("outrider", "encode, second", () => countAll(texts, (text) => tokenizer.encode(text).length)),
    time("outrider", "count", () => countAll(texts, (text) => tokenizer.count(text))),
  ];
  const theirs: Uint32Array[] = [];
  rows.push(time("tiktoken", "encode", () => keepAll(texts, (text) => peer.encode(text), theirs)));

  report(rows, bytes);
  const wrong = texts.findIndex((_, index) => !Buffer.from(bytesOf(ours[index]!)).equals(bytesOf(theirs[index]!)));
  if (wrong >= 0) console.error(firstDifference(tokenizer, ours[wrong]!, theirs[wrong]!));
  return wrong >= 0 ? 1 : 0;
}

/** Files of up to a megabyte (bundles would crowd out the rest), in the order of their paths' hashes. */
function sourceTexts(limitBytes: number): readonly string[] {
  const paths = globSync("node_modules/**/*.{js,ts,md}").map((path) => path.replaceAll("\\", "/"));
  const order = new Map(paths.map((path) => [path, createHash("sha256").update(path).digest("hex")]));
  const texts: string[] = [];
  let bytes = 0;
  for (const path of paths.sort((a, b) => (order.get(a)! < order.get(b)! ? -1 : 1))) {
    if (bytes >= limitBytes) break;
    const file = statSync(path);
    if (!file.isFile() || file.size > 1e6) continue;
    texts.push(readFileSync(path, "utf8"));
    bytes += file.size;
  }
  return texts;
}

function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function time(encoder: string, pass: string, run: () => number): Row {
  const started = processorSeconds();
  const tokens = run();
  return { encoder, pass, tokens, seconds: processorSeconds() - started };
}

function countAll(texts: readonly string[], count: (text: string) => number): number {
  return texts.reduce((sum, text) => sum + count(text), 0);
}

function keepAll(texts: readonly string[], encode: (text: string) => Uint32Array, kept: Uint32Array[]): number {
  return countAll(texts, (text) => kept[kept.push(encode(text)) - 1]!.length);
}

function report(rows: readonly Row[], bytes: number): void {
  const machine = `${cpus()[0]?.model.trim() ?? "unknown"} x${availableParallelism()}`;
  const slowest = rows.at(-1)!.seconds;
  const lines = rows.map(({ encoder, pass, tokens, seconds }) =>
    [
      ...[machine, `node ${process.versions.node}`, encoder, `"${pass}"`, (bytes / 1e6).toFixed(1), tokens],
      ...[seconds.toFixed(2), (bytes / 1e6 / seconds).toFixed(1), (slowest / seconds).toFixed(1)],
    ].join(","),
  );
  const header = "machine,runtime,encoder,pass,megabytes,tokens,processor_seconds,megabytes_per_second,times_tiktoken";
  writeFileSync(new URL("./results/tokenizer.csv", import.meta.url), `${[header, ...lines].join("\n")}\n`);
  console.table(
    rows.map(({ encoder, pass, tokens, seconds }) => ({
      ...{ encoder, pass, tokens, seconds: Number(seconds.toFixed(2)) },
      ...{ "MB/s": Number((bytes / 1e6 / seconds).toFixed(1)), "x tiktoken": Number((slowest / seconds).toFixed(1)) },
    })),
  );
}

const bytesOf = (ids: Uint32Array): Uint8Array => new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength);

function firstDifference(tokenizer: Tokenizer, ours: Uint32Array, theirs: Uint32Array): string {
  const at = ours.findIndex((id, index) => id !== theirs[index]);
  const around = (ids: Uint32Array): string =>
    JSON.stringify(Array.from(ids.slice(at, at + 4), (id) => tokenizer.decode([id])));
  return `token ${at} differs: ours ${around(ours)}, tiktoken's ${around(theirs)}`;
}

process.exitCode = await main(values.tokenizer, Number(values.megabytes ?? 40));
