/** The command line as a user runs it: its output, its exit codes, its messages. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const cli = join(import.meta.dirname, "cli.ts");
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "outrider-cli-"));
  await writeFile(join(folder, "add.ts"), "export function add(a: number, b: number) {\n  return \n}\n");
  await writeFile(join(folder, "logo.png"), Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0, 0]));
  await writeFile(join(folder, "ids.json"), "[17, 4, 99, 1023]");
  await writeFile(join(folder, "words.json"), '["seventeen"]');
});
afterAll(() => rm(folder, { recursive: true }));

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function outrider(parameters: readonly string[], input = ""): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [cli, ...parameters], { cwd: folder }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === "number" ? error.code : error ? -1 : 0, stdout, stderr });
    });
    child.stdin?.end(input);
  });
}

describe("results", () => {
  test("tokenize prints ids, and as JSON the same ids", async () => {
    const plain = await outrider(["tokenize"], "const x = 1;\n");
    const json: { ids: number[]; count: number } = JSON.parse(
      (await outrider(["tokenize", "--json"], "const x = 1;\n")).stdout,
    );
    expect(plain.stdout.trim()).toBe(json.ids.join(" "));
    expect(json.count).toBe(json.ids.length);
  });

  test("logits prints positions with their top log-probabilities", async () => {
    const { stdout } = await outrider(["logits", "--tokens-file", "ids.json", "--last", "2", "--top", "3", "--json"]);
    const { positions }: { positions: { index: number; top: { id: number; logprob: number }[] }[] } =
      JSON.parse(stdout);
    expect(positions.map(({ index }) => index)).toEqual([2, 3]);
    expect(positions[0]?.top).toHaveLength(3);
    expect(positions[0]?.top[0]).toEqual({ id: expect.any(Number), logprob: expect.any(Number) });
  });

  test("pack counts what is in and says what is out and why", async () => {
    const { stdout, code } = await outrider(["pack", ".", "--json"]);
    const summary: { files: number; omitted: { path: string; reason: string }[] } = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(summary.files).toBe(3);
    expect(summary.omitted).toContainEqual(
      expect.objectContaining({ path: "logo.png", reason: expect.stringContaining("binary") }),
    );
  });

  test("pack --explain names the reason for one file", async () => {
    expect((await outrider(["pack", ".", "--explain", "logo.png"])).stdout).toContain("binary");
  });

  test("complete gives text and timings as JSON", async () => {
    const { stdout } = await outrider([
      "complete",
      "add.ts",
      "--line",
      "1",
      "--character",
      "9",
      "--max-tokens",
      "4",
      "--json",
    ]);
    expect(JSON.parse(stdout)).toMatchObject({
      text: expect.any(String),
      timings: { generatedTokens: expect.any(Number) },
    });
  });

  test("chat streams an answer about a folder", async () => {
    const { stdout, stderr, code } = await outrider(["chat", ".", "what does add do?", "--max-tokens", "8"]);
    expect(code).toBe(0);
    expect(stdout.length).toBeGreaterThan(1);
    expect(stderr).toMatch(/\d+ prompt tokens .* \d+ generated/);
  });

  test("doctor names the machine, the backends and the model", async () => {
    expect((await outrider(["doctor"])).stdout).toMatch(/CPU .*\n.*cpu +ready[\s\S]*gpu[\s\S]*outrider-nano/);
  });
});

describe("wrong usage ends with 2, a failure with 1, each with one clear line", () => {
  const cases: readonly [string, readonly string[], number, string][] = [
    ["no command", [], 2, "no command given"],
    ["an unknown command", ["prompt"], 2, "unknown command: prompt"],
    ["an unknown flag", ["pack", ".", "--fast"], 2, "--fast"],
    [
      "a budget that is no number",
      ["pack", ".", "--budget", "lots"],
      2,
      "--budget: lots, expected an integer of 1 or more",
    ],
    ["a folder that is not there", ["pack", "nowhere"], 1, "nowhere: no such folder"],
    [
      "a line past the end",
      ["complete", "add.ts", "--line", "99", "--character", "0"],
      2,
      "--line: 99, expected at most 3",
    ],
    [
      "a column past the line",
      ["complete", "add.ts", "--line", "2", "--character", "9"],
      2,
      "--character: 9, expected at most 1 on line 2",
    ],
    ["a model that is none", ["doctor", "--model", "add.ts"], 1, "add.ts"],
    ["ids that are words", ["logits", "--tokens-file", "words.json"], 1, "expected an array of token ids"],
    ["a benchmark there is not", ["bench", "gold"], 2, "bench: gold, expected one of cpu"],
    ["a backend there is not", ["doctor", "--backend", "tpu"], 2, "--backend: tpu, expected auto, cpu or gpu"],
  ];
  for (const [name, parameters, code, message] of cases) {
    test(name, async () => {
      const outcome = await outrider(parameters);
      expect(outcome.stderr).toContain(message);
      expect(outcome.stderr).not.toContain("at file:");
      expect(outcome.code).toBe(code);
    });
  }
});
