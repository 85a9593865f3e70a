/**
 * `npm run bench`: the benchmarks by name, each a script of its own that writes a row set under bench/results/.
 *
 *   npm run bench                       says which there are
 *   npm run bench -- cpu --rounds 3     runs bench/cpu.bench.ts with what follows the name
 */
import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { buildIfStale } from "../build.ts";
import { fail, runProgram } from "./terminal.ts";

const root = join(import.meta.dirname, "..");
const names = globSync("bench/*.bench.ts", { cwd: root })
  .map((file) => basename(file, ".bench.ts"))
  .sort();

/** The first sentence of the file's header, which says what is measured. */
function subject(name: string): string {
  const source = readFileSync(join(root, `bench/${name}.bench.ts`), "utf8");
  const header = /^\/\*\*([\s\S]*?)\*\//.exec(source)?.[1] ?? "";
  const text = header.replaceAll(/\s*\n \* ?/g, " ").trim();
  return text.split(/(?<=\.)\s/)[0] ?? "";
}

const [name, ...parameters] = process.argv.slice(2);
if (name === undefined) {
  for (const each of names) console.log(`npm run bench -- ${each}\n    ${subject(each)}`);
} else {
  if (!names.includes(name)) fail(`No benchmark is called ${name}; there are ${names.join(", ")}.`);
  await buildIfStale();
  const run = await runProgram(process.execPath, [join(root, `bench/${name}.bench.ts`), ...parameters], {
    cwd: root,
    onText: (text) => process.stdout.write(text),
  });
  process.exitCode = run.exitCode;
}
