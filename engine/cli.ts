/**
 * The `outrider` command. Every command has --json; progress goes to stderr, results to stdout; Ctrl-C is clean.
 * Exit codes: 0 ok, 1 failed, 2 wrong usage.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, relative, resolve, sep } from "node:path";
import { text as readAll } from "node:stream/consumers";
import { type ParseArgsConfig, parseArgs } from "node:util";
import type { BackendName, GenerationTimings, ModelInfo } from "./api.ts";
import { embeddedModelPath, manifestPath } from "./assets.ts";
import {
  createEngine,
  explainPath,
  formatExplanation,
  formatPackSummary,
  type LocalEngine,
  openTokenizer,
  openTokenizerFile,
  packRepository,
  packText,
} from "./engine.ts";
import { EngineError } from "./errors.ts";

const usage = `usage: outrider COMMAND …

  pack DIR [--model M] [--budget N] [--out FILE] [--explain FILE]   what is packed, left out and why, tokens by folder, time
  tokenize [--model M | --tokenizer FILE] < text                    token ids
  logits --tokens-file IDS.json [--last N] [--top K]                log-probabilities after the last N tokens
  complete FILE --line L --character C [--repo DIR]                 a completion at a cursor (0-based)
  chat DIR QUESTION                                                 streams an answer
  doctor                                                            this machine, the backends, the model
  bench NAME [OPTIONS]                                              a benchmark of the source tree: cpu, tokenizer, …

  --model M      a GGUF file (default: the embedded model)
  --backend B    auto, cpu or gpu          --threads N   compute threads
  --json         one JSON document on standard output`;

const options = {
  model: { type: "string" },
  backend: { type: "string", default: "auto" },
  threads: { type: "string" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
  budget: { type: "string" },
  out: { type: "string" },
  explain: { type: "string" },
  tokenizer: { type: "string" },
  "tokens-file": { type: "string" },
  last: { type: "string" },
  top: { type: "string" },
  line: { type: "string" },
  character: { type: "string" },
  repo: { type: "string" },
  "max-tokens": { type: "string" },
  seed: { type: "string" },
  temperature: { type: "string" },
} as const satisfies ParseArgsConfig["options"];

type Flags = ReturnType<typeof parse>["values"];
type Command = (args: readonly string[], flags: Flags, signal: AbortSignal) => Promise<void>;

const commands: Readonly<Record<string, Command>> = { pack, tokenize, logits, complete, chat, doctor };

class UsageError extends Error {}

async function main(argv: readonly string[]): Promise<number> {
  const abort = new AbortController();
  process.once("SIGINT", () => abort.abort(new Error("interrupted")));
  try {
    if (argv[0] === "bench") return await bench(argv[1], argv.slice(2), abort.signal);
    const { values, positionals } = parse(argv);
    const [name = "", ...args] = positionals;
    if (values.help || name === "help") {
      console.log(usage);
      return 0;
    }
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (!command) throw new UsageError(name === "" ? "no command given" : `unknown command: ${name}`);
    await command(args, values, abort.signal);
    return abort.signal.aborted ? 1 : 0;
  } catch (error) {
    if (abort.signal.aborted) return 1;
    if (error instanceof UsageError || isParseArgsError(error)) {
      process.stderr.write(`outrider: ${error.message}\n\n${usage}\n`);
      return 2;
    }
    if (error instanceof EngineError) {
      process.stderr.write(`outrider: ${error.message}\n${error.remedy ? `${error.remedy}\n` : ""}`);
      return 1;
    }
    throw error;
  }
}

async function pack(args: readonly string[], flags: Flags, signal: AbortSignal): Promise<void> {
  const root = folder(args[0]);
  if (flags.explain !== undefined) {
    // As typed below DIR if there is such a path, else from the current folder.
    const file = existsSync(resolve(root, flags.explain)) ? flags.explain : resolve(flags.explain);
    print(flags, await explainPath(root, file), formatExplanation);
    return;
  }
  const tokenizer = await openTokenizer(flags.model ?? embeddedModelPath());
  const packed = await packRepository(root, {
    tokenizer,
    budgetTokens: flags.budget === undefined ? null : integer("--budget", flags.budget, 1),
    signal,
    onProgress: (files, bytes) => progress(`packing: ${files} files, ${megabytes(bytes)}`),
  });
  progress(null);
  if (flags.out !== undefined) await writeFile(flags.out, packText(packed));
  print(flags, packed.summary, formatPackSummary);
}

async function tokenize(_: readonly string[], flags: Flags): Promise<void> {
  const tokenizer = flags.tokenizer
    ? await openTokenizerFile(flags.tokenizer)
    : await openTokenizer(flags.model ?? embeddedModelPath());
  const ids = [...tokenizer.encode(await readAll(process.stdin))];
  print(flags, { ids, count: ids.length }, ({ ids }) => ids.join(" "));
}

async function logits(_: readonly string[], flags: Flags, signal: AbortSignal): Promise<void> {
  const file = flags["tokens-file"];
  if (file === undefined) throw new UsageError("logits: --tokens-file is missing");
  const tokens = await readIds(file);
  const engine = await loadEngine(flags, signal);
  const last = flags.last === undefined ? 1 : integer("--last", flags.last, 1);
  const top = flags.top === undefined ? 20 : integer("--top", flags.top, 1);
  const positions = await engine.logits(tokens, last, top, signal);
  await engine.shutdown();
  print(flags, { positions }, ({ positions }) =>
    positions
      .map(({ index, top }) => `${index}: ${top.map(({ id, logprob }) => `${id} ${logprob.toFixed(4)}`).join("  ")}`)
      .join("\n"),
  );
}

async function complete(args: readonly string[], flags: Flags, signal: AbortSignal): Promise<void> {
  const [file] = args;
  if (file === undefined) throw new UsageError("complete: FILE is missing");
  if (flags.line === undefined || flags.character === undefined)
    throw new UsageError("complete: --line and --character are missing");
  const text = await readText(file);
  const at = offsetAt(text, integer("--line", flags.line, 0), integer("--character", flags.character, 0));
  const engine = await loadEngine(flags, signal);
  const request = {
    path: relativePath(flags.repo ?? process.cwd(), file),
    prefix: text.slice(0, at),
    suffix: text.slice(at),
    maxTokens: flags["max-tokens"] === undefined ? 64 : integer("--max-tokens", flags["max-tokens"], 1),
    singleLine: false,
  };
  await stream(engine, engine.complete(request, signal), flags);
}

async function chat(args: readonly string[], flags: Flags, signal: AbortSignal): Promise<void> {
  const root = folder(args[0]);
  const question = args.slice(1).join(" ");
  if (question === "") throw new UsageError("chat: QUESTION is missing");
  const engine = await loadEngine(flags, signal);
  const request = {
    messages: [{ role: "user" as const, content: question }],
    root,
    sampling: {
      ...(flags.seed !== undefined && { seed: integer("--seed", flags.seed, 0) }),
      ...(flags.temperature !== undefined && { temperature: decimal("--temperature", flags.temperature) }),
    },
    maxTokens: flags["max-tokens"] === undefined ? 256 : integer("--max-tokens", flags["max-tokens"], 1),
  };
  await stream(engine, engine.chat(request, signal), flags);
}

async function doctor(_: readonly string[], flags: Flags, signal: AbortSignal): Promise<void> {
  const engine = await loadEngine(flags, signal);
  const report = await engine.doctor();
  await engine.shutdown();
  print(flags, report, ({ version, node, platform, cpu, backends, model }) =>
    [
      `Outrider ${version}, Node ${node}, ${platform}`,
      `CPU       ${cpu.model}, ${cpu.cores} cores, ${gigabytes(cpu.memoryBytes)}`,
      ...backends.map(
        ({ name, available, detail }) => `${name.padEnd(9)} ${available ? "ready" : "not available"}: ${detail}`,
      ),
      ...(model ? describeModel(model) : []),
    ].join("\n"),
  );
}

function describeModel(model: ModelInfo): string[] {
  const window = model.chunkTokens === null ? "no chunks" : `chunks of ${model.chunkTokens}`;
  return [
    `model     ${model.name} (${model.architecture}), ${(model.parameters / 1e6).toFixed(1)}M parameters, ${megabytes(model.fileBytes)}`,
    `          ${model.layers} layers, ${model.experts} experts, context ${model.contextTokens.toLocaleString("en")}, ${window}`,
    ...(model.isSmokeModel ? ["          a small smoke model: its mechanics are right, its words are poor"] : []),
  ];
}

/** Benchmarks are programs of the source tree with options of their own; the packaged engine does not carry them. */
async function bench(name: string | undefined, parameters: readonly string[], signal: AbortSignal): Promise<number> {
  const tree = resolve(dirname(manifestPath()), "bench");
  const suffix = ".bench.ts";
  const names = (existsSync(tree) ? readdirSync(tree) : []).flatMap((file) =>
    file.endsWith(suffix) ? [file.slice(0, -suffix.length)] : [],
  );
  if (names.length === 0)
    throw new EngineError("unsupported", "bench: no benchmarks here, expected a clone of the source tree");
  if (name === undefined || !names.includes(name))
    throw new UsageError(`bench: ${name ?? "no name"}, expected one of ${names.join(", ")}`);
  const child = spawn(process.execPath, [resolve(tree, name + suffix), ...parameters], { stdio: "inherit", signal });
  const [code] = await once(child, "exit");
  return code ?? 1;
}

/** Writes text as it comes and the timings to stderr; with --json, one document at the end. */
async function stream(engine: LocalEngine, events: ReturnType<LocalEngine["chat"]>, flags: Flags): Promise<void> {
  let text = "";
  for await (const event of events) {
    if (event.kind === "prefill") progress(`reading: ${event.done} of ${event.total} tokens`);
    if (event.kind === "text") {
      progress(null);
      text += event.text;
      if (!flags.json) process.stdout.write(event.text);
    }
    if (event.kind === "done") {
      progress(null);
      if (flags.json) console.log(JSON.stringify({ text, stop: event.stop, timings: event.timings }));
      else process.stdout.write("\n");
      process.stderr.write(`${describeTimings(event.timings)}\n`);
    }
  }
  await engine.shutdown();
}

function describeTimings(timings: GenerationTimings): string {
  const { promptTokens, cachedTokens, prefillMs, generatedTokens, decodeMs } = timings;
  const rate = (count: number, ms: number): string =>
    ms > 0 ? `${Math.round((1000 * count) / ms)} tokens/s` : "at once";
  return `${promptTokens} prompt tokens (${cachedTokens} cached, ${rate(promptTokens - cachedTokens, prefillMs)}), ${generatedTokens} generated (${rate(generatedTokens, decodeMs)})`;
}

async function loadEngine(flags: Flags, signal: AbortSignal): Promise<LocalEngine> {
  const engine = createEngine();
  const request = {
    modelPath: flags.model ?? embeddedModelPath(),
    backend: backend(flags.backend),
    threads: flags.threads === undefined ? null : integer("--threads", flags.threads, 1),
  };
  for await (const event of engine.load(request, signal)) {
    if (event.kind === "progress") progress(`loading: ${Math.round(100 * event.fraction)}%`);
  }
  progress(null);
  return engine;
}

/** One line that overwrites itself on a terminal; silent elsewhere. null clears it. */
function progress(line: string | null): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line ?? ""}`);
}

function print<T>(flags: Flags, value: T, format: (value: T) => string): void {
  console.log(flags.json ? JSON.stringify(value) : format(value));
}

function parse(argv: readonly string[]) {
  return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
}

const isParseArgsError = (error: unknown): error is Error =>
  error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");

function integer(flag: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least || text.trim() === "") {
    throw new UsageError(`${flag}: ${text}, expected an integer of ${least} or more`);
  }
  return value;
}

function decimal(flag: string, text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value < 100) || text.trim() === "")
    throw new UsageError(`${flag}: ${text}, expected a number of 0 or more`);
  return value;
}

function backend(text: string): BackendName | "auto" {
  if (text === "auto" || text === "cpu" || text === "gpu") return text;
  throw new UsageError(`--backend: ${text}, expected auto, cpu or gpu`);
}

function folder(argument: string | undefined): string {
  if (argument === undefined) throw new UsageError("DIR is missing");
  try {
    return realpathSync(argument);
  } catch (cause) {
    throw new EngineError("io", `${argument}: no such folder`, { cause });
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new EngineError("io", `${file}: cannot be read (${cause instanceof Error ? cause.message : String(cause)})`, {
      cause,
    });
  }
}

async function readIds(file: string): Promise<Uint32Array> {
  let ids: unknown;
  try {
    ids = JSON.parse(await readText(file));
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    throw new EngineError("badRequest", `${file}: not JSON, expected an array of token ids`, { cause });
  }
  if (!Array.isArray(ids) || !ids.every((id) => Number.isInteger(id) && id >= 0 && id < 2 ** 32)) {
    throw new EngineError("badRequest", `${file}: expected an array of token ids`);
  }
  return Uint32Array.from(ids);
}

/** Offset of a 0-based line and UTF-16 character, as editors count. */
function offsetAt(text: string, line: number, character: number): number {
  let start = 0;
  for (let i = 0; i < line; i++) {
    const end = text.indexOf("\n", start);
    if (end < 0) throw new UsageError(`--line: ${line}, expected at most ${i}`);
    start = end + 1;
  }
  const end = text.indexOf("\n", start);
  const length = (end < 0 ? text.length : end) - start;
  if (character > length) throw new UsageError(`--character: ${character}, expected at most ${length} on line ${line}`);
  return start + character;
}

const relativePath = (root: string, file: string): string =>
  relative(resolve(root), resolve(file)).split(sep).join("/");
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
const gigabytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

process.exitCode = await main(process.argv.slice(2));
