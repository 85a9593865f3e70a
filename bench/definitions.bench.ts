/**
 * Our definitions beside those of universal-ctags on real source trees: recall and precision by language.
 *
 *   node bench/definitions.bench.ts DIR... [--show 10]
 *
 * Needs universal-ctags (with JSON) on the path. A definition is a file, a name and a line. The two programs do not list
 * the same kinds: fields, parameters, local variables and the like are taken out of theirs, and kinds that ctags lacks for
 * a language out of ours; the table below says which. What ctags has no name for (__anon…) does not count. Files we leave out of a pack are left out here.
 *
 * Prints a table and, with --show, examples of each difference; writes nothing.
 */
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { languageOf } from "../engine/repo/languages.ts";
import { createPackMemory, packRepository } from "../engine/repo/pack.ts";
import { kindOf } from "../engine/repo/structure/fileStructure.ts";

interface Tag {
  readonly name: string;
  readonly path: string;
  readonly line: number;
  readonly kind: string;
  readonly scopeKind?: string;
}

interface Comparison {
  /** ctags' name of the language. */
  readonly ctags: string;
  /** Kinds of ctags that are definitions to us. */
  readonly theirs: readonly string[];
  /** Kinds of ours that ctags also lists. */
  readonly ours: readonly string[];
}

const comparisons: { readonly [language: string]: Comparison } = {
  typescript: {
    ctags: "TypeScript",
    theirs: ["class", "interface", "enum", "enumerator", "function", "method", "alias", "namespace"],
    ours: ["class", "interface", "enum", "type", "function", "method", "module"],
  },
  python: { ctags: "Python", theirs: ["class", "function", "member"], ours: ["class", "function"] },
  go: {
    ctags: "Go",
    theirs: ["func", "struct", "interface", "type", "talias", "const", "var", "methodSpec"],
    ours: ["function", "method", "struct", "interface", "type", "constant", "variable"],
  },
  rust: {
    ctags: "Rust",
    theirs: ["function", "method", "struct", "enum", "enumerator", "interface", "typedef", "macro", "module"],
    ours: ["function", "struct", "enum", "trait", "type", "macro", "module", "constant"],
  },
  c: {
    ctags: "C",
    theirs: ["function", "struct", "union", "enum", "enumerator", "typedef", "macro", "prototype"],
    ours: ["function", "struct", "enum", "constant", "type", "macro"],
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { show: { type: "string", default: "0" } },
});

for (const root of positionals) {
  const memory = createPackMemory();
  await packRepository(root, { tokenizer: { encode: () => new Uint32Array(0) }, budgetTokens: null, memory });
  for (const [language, comparison] of Object.entries(comparisons)) {
    const files = [...memory.files].filter(
      ([path, file]) => languageOf(path)?.id === language && file.structure !== null,
    );
    if (files.length < 10) continue;
    const ours = new Map<string, string>(); // what ctags should have too
    const all = new Set<string>(); // what it may have
    for (const [path, { structure }] of files) {
      const definitions = structure?.definitions;
      definitions?.names.forEach((name, index) => {
        const kind = kindOf(definitions, index);
        const key = `${path}:${definitions.lines[index]} ${bare(name)}`;
        all.add(key);
        if (comparison.ours.includes(kind)) ours.set(key, kind);
      });
    }
    const theirs = new Map<string, string>(); // what we should have
    const known = new Set<string>(); // of any kind: locals and prototypes too
    for (const tag of ctags(
      root,
      comparison.ctags,
      files.map(([path]) => path),
    )) {
      const key = `${tag.path}:${tag.line} ${bare(tag.name)}`;
      known.add(key);
      if (comparison.theirs.includes(tag.kind)) theirs.set(key, tag.kind);
    }
    const missing = [...theirs.keys()].filter((key) => !all.has(key) && !key.includes(" __anon"));
    const extra = [...ours.keys()].filter((key) => !known.has(key));
    const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(2)}%`;
    console.log(
      `${root} ${language}: ${files.length} files, ctags ${theirs.size}, ours ${ours.size}, ` +
        `recall ${percent(theirs.size - missing.length, theirs.size)}, precision ${percent(ours.size - extra.length, ours.size)}`,
    );
    const show = Number(values.show);
    const sample = (keys: readonly string[]) =>
      keys.filter((_, i) => i % Math.max(1, Math.floor(keys.length / show)) === 0).slice(0, show);
    if (show > 0) {
      for (const key of sample(missing)) console.log(`  only ctags: ${key} (${theirs.get(key)})`);
      for (const key of sample(extra)) console.log(`  only ours:  ${key} (${ours.get(key)})`);
    }
  }
}

/** Names without the marks one of the two leaves on them. */
function bare(name: string): string {
  return name.replace(/^#/, "").replace(/^["']|["']$/g, "");
}

function ctags(root: string, language: string, paths: readonly string[]): Tag[] {
  const run = spawnSync(
    "ctags",
    [
      "--output-format=json",
      "--fields=+nKs",
      `--languages=${language}`,
      "-L",
      "-",
      `--kinds-${language}=*`,
      ...(language === "C" ? ["--langmap=C:+.h"] : []),
    ],
    {
      cwd: root,
      input: paths.join("\n"),
      encoding: "utf8",
      maxBuffer: 1 << 30,
    },
  );
  if (run.error !== undefined) throw run.error;
  return run.stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Tag); // ctags' documented JSON lines
}
process.exit(0);
