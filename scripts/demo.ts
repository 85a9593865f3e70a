/**
 * `npm run demo`: the product from a terminal. Builds, starts the engine as the editor does (the same forked process and
 * the same contract), packs this repository, streams a ghost-text completion and a chat answer from the embedded model,
 * sums up the times, and makes the VSIX.
 *
 *   npm run demo                          the embedded model
 *   npm run demo -- --model FILE.gguf     a real one
 */
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildIfStale } from "../build.ts";
import type { EngineApi, GenerationEvent, GenerationTimings, ModelInfo, PackSummary } from "../engine/api.ts";
import { embeddedModelPath } from "../engine/assets.ts";
import { EngineError } from "../engine/errors.ts";
import { launchEngine } from "../extension/engine/launch.ts";
import { artefactPath, hostTarget } from "./package.ts";
import { Progress } from "./progress.ts";
import { bytes, fail, paint, runProgram, seconds, table } from "./terminal.ts";

const root = join(import.meta.dirname, "..");

/** The cursor stands where ▮ is. */
const sample = `/** The arithmetic mean of some numbers; zero when there are none. */
export function mean(values: readonly number[]): number {
  if (values.length === 0) return 0;
  let sum = 0;
  for (const value of values) {
    ▮
  }
  return sum / values.length;
}
`;
const grouped = (count: number): string => count.toLocaleString("en");
const question = "Where are the import rules of this repository written down?";
const smokeNotice =
  "This is the embedded smoke model: a real Llama 4 in miniature that proves every stage from packing to ghost text.\n" +
  "Its mechanics are right; its words are poor. A real model: npm run demo -- --model FILE.gguf";

interface Loaded {
  readonly model: ModelInfo;
  readonly milliseconds: number;
}

interface Answer {
  readonly timings: GenerationTimings;
  readonly firstWordMs: number;
}

function heading(title: string, command: string): void {
  console.log(`\n${paint("bold", title)}\n${paint("dim", `as: node dist/cli.mjs ${command}`)}`);
}

async function loadModel(engine: EngineApi, modelPath: string): Promise<Loaded> {
  heading("This machine and the model", "doctor");
  const started = performance.now();
  let model: ModelInfo | undefined;
  {
    using progress = new Progress("loading the model");
    for await (const event of engine.load({ modelPath, backend: "auto", threads: null })) {
      if (event.kind === "progress") progress.count(Math.round(event.fraction * 100), 100, 0);
      else model = event.model;
    }
  }
  const milliseconds = performance.now() - started;
  if (model === undefined) return fail(`${modelPath}: the engine ended its load without a model`);
  const { version, node, platform, cpu, backends } = await engine.doctor();
  console.log(
    `Outrider ${version}, Node ${node}, ${platform}; ${cpu.model}, ${cpu.cores} cores, ${bytes(cpu.memoryBytes)}`,
  );
  for (const { name, available, detail } of backends)
    console.log(`${name}: ${available ? "ready" : "not available"}, ${detail}`);
  console.log(
    `${model.name}: ${model.architecture}, ${(model.parameters / 1e6).toLocaleString("en", { maximumFractionDigits: 1 })} M parameters ` +
      `in ${bytes(model.fileBytes)}, context ${grouped(model.contextTokens)} tokens, on the ${model.backend}; ` +
      `loaded and checked in ${seconds(milliseconds)}`,
  );
  if (model.isSmokeModel) console.log(paint("yellow", smokeNotice));
  return { model, milliseconds };
}

async function pack(engine: EngineApi, budgetTokens: number | null): Promise<PackSummary> {
  let summary: PackSummary | undefined;
  using progress = new Progress("packing this repository");
  for await (const event of engine.pack({ root, budgetTokens })) {
    if (event.kind === "progress") progress.say(`${event.files} files, ${bytes(event.bytes)}`);
    else summary = event.summary;
  }
  return summary ?? fail("the engine ended its packing without a summary");
}

/** Packs all of it, then as much as a chat on this machine reads while somebody waits: that pack the chat will use. */
async function showPack(engine: EngineApi, model: ModelInfo): Promise<PackSummary> {
  heading("The whole repository, packed", "pack .");
  const whole = await pack(engine, model.contextTokens);
  const rows = whole.folders
    .filter(({ path }) => path !== "" && !path.includes("/"))
    .sort((a, b) => b.tokens - a.tokens)
    .slice(0, 8)
    .map(({ path, files, tokens }) => [`${path}/`, `${files}`, grouped(tokens)]);
  console.log(table(["folder", "files", "tokens"], [...rows, ["all", `${whole.files}`, grouped(whole.tokens)]]));
  console.log(
    `${whole.omitted.length} entries left out, each with its reason; packed in ${seconds(whole.milliseconds)}.`,
  );
  const affordable = await pack(engine, null);
  if (affordable.tokens < whole.tokens) {
    console.log(
      `Chat takes ${grouped(affordable.tokens)} tokens of it (${affordable.files} files): what this machine reads while somebody waits.`,
    );
  }
  return whole;
}

function showCompletion(engine: EngineApi): Promise<Answer> {
  const [prefix = "", suffix = ""] = sample.split("▮");
  const line = prefix.split("\n").length - 1;
  const character = prefix.length - prefix.lastIndexOf("\n") - 1;
  heading(
    "Ghost text: the file is dim, what the model adds is bright",
    `complete mean.ts --line ${line} --character ${character}`,
  );
  const request = { path: "mean.ts", prefix, suffix, maxTokens: 40, singleLine: false };
  return stream(engine.complete(request), {
    before: paint("dim", prefix),
    piece: (text) => paint(["bold", "green"], text),
    after: paint("dim", suffix.trimEnd()),
  });
}

function showChat(engine: EngineApi): Promise<Answer> {
  heading("Chat about this repository", `chat . "${question}"`);
  const messages = [{ role: "user", content: question }] as const;
  return stream(engine.chat({ messages, root, sampling: {}, maxTokens: 80 }), {
    before: `${paint("dim", `> ${question}`)}\n`,
    piece: (text) => text,
    after: "",
  });
}

interface Frame {
  readonly before: string;
  readonly piece: (text: string) => string;
  readonly after: string;
}

/** Shows progress while the prompt is read, then the words as they come. */
async function stream(events: AsyncIterable<GenerationEvent>, frame: Frame): Promise<Answer> {
  const started = performance.now();
  let firstWordMs: number | undefined;
  let timings: GenerationTimings | undefined;
  using progress = new Progress("reading, tokens:");
  for await (const event of events) {
    if (event.kind === "prefill") progress.count(event.done, event.total, event.tokensPerSecond);
    if (event.kind === "text") {
      if (firstWordMs === undefined) {
        progress[Symbol.dispose]();
        firstWordMs = performance.now() - started;
        process.stdout.write(frame.before);
      }
      process.stdout.write(frame.piece(event.text));
    }
    if (event.kind === "done") timings = event.timings;
  }
  console.log(frame.after);
  if (timings === undefined) return fail("the engine ended its answer without timings");
  return { timings, firstWordMs: firstWordMs ?? performance.now() - started };
}

function timingRow(name: string, { timings, firstWordMs }: Answer): readonly string[] {
  const { promptTokens, cachedTokens, prefillMs, generatedTokens, decodeMs } = timings;
  const rate = (tokens: number, ms: number): string => (ms > 0 ? grouped(Math.round((1000 * tokens) / ms)) : "");
  return [
    name,
    grouped(promptTokens),
    rate(promptTokens - cachedTokens, prefillMs),
    `${generatedTokens}`,
    rate(generatedTokens, decodeMs),
    seconds(firstWordMs),
  ];
}

async function makePackage(): Promise<string> {
  using _ = new Progress("packing the extension");
  const run = await runProgram(process.execPath, [join(root, "scripts/package.ts"), hostTarget()], { cwd: root });
  if (run.exitCode !== 0) fail(`The extension could not be packed.\n${run.output}`);
  return relative(process.cwd(), artefactPath(hostTarget()));
}

async function showEverything(engine: EngineApi, modelPath: string): Promise<void> {
  const loaded = await loadModel(engine, modelPath);
  const packed = await showPack(engine, loaded.model);
  const completion = await showCompletion(engine);
  const answer = await showChat(engine);
  console.log(`\n${paint("bold", "What it took")}`);
  console.log(
    `Loading the model ${seconds(loaded.milliseconds)}; packing ${grouped(packed.tokens)} tokens ${seconds(packed.milliseconds)}.`,
  );
  const head = ["", "prompt tokens", "read per second", "written", "per second", "first word"];
  console.log(table(head, [timingRow("completion", completion), timingRow("chat", answer)]));
}

const { values: flags } = parseArgs({ options: { model: { type: "string" } } });
const started = performance.now();
await buildIfStale();
const engineLog: string[] = [];
const keep = (line: string): void => void engineLog.push(line);
const engine = launchEngine(join(root, "dist/engine.mjs"), { info: keep, warn: keep, error: keep });
try {
  await showEverything(engine.api, flags.model === undefined ? embeddedModelPath() : resolve(flags.model));
} catch (error) {
  if (!(error instanceof EngineError)) throw error;
  fail(`${error.message}\n${error.remedy ?? ""}\n${engineLog.join("\n")}`);
} finally {
  await engine.stop();
}
const vsix = await makePackage();
console.log(`\n${paint("bold", "Use it in VS Code")}\n  code --install-extension ${vsix}`);
console.log(paint("dim", `\nThe demo took ${seconds(performance.now() - started)}.`));
