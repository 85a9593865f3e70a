/**
 * The languages a pack knows by name. A row with a grammar has a folder of queries in syntaxes/<id>/; the others are
 * text. Adding a language is a row here and that folder.
 */
import { baseNameOf, extensionOf } from "./paths.ts";

export interface Language {
  readonly id: string;
  readonly name: string;
  readonly kind: "code" | "markup" | "data";
  /** File in @vscode/tree-sitter-wasm/wasm, without "tree-sitter-" and ".wasm". */
  readonly grammar: string | null;
  /** Folder in syntaxes/; its own id but for languages that share one. */
  readonly queries: string;
}

type Row = readonly [id: string, name: string, extensions: string, grammar?: string, queries?: string];

const code: readonly Row[] = [
  ["typescript", "TypeScript", "ts mts cts", "typescript"],
  ["tsx", "TSX", "tsx", "tsx"],
  ["javascript", "JavaScript", "js mjs cjs jsx", "javascript"],
  ["python", "Python", "py pyi pyw", "python"],
  ["go", "Go", "go", "go"],
  ["rust", "Rust", "rs", "rust"],
  ["java", "Java", "java", "java"],
  ["c", "C", "c h", "cpp", "cpp"], // the C++ grammar and queries cover all of C that defines a name
  ["cpp", "C++", "cc cpp cxx c++ hh hpp hxx h++ ipp inl tpp cu cuh", "cpp"],
  ["csharp", "C#", "cs csx", "c-sharp"],
  ["ruby", "Ruby", "rb rake gemspec ru", "ruby"],
  ["php", "PHP", "php php5 phtml", "php"],
  ["bash", "Shell", "sh bash zsh ksh bats", "bash"],
  ["css", "CSS", "css", "css"],
  ["kotlin", "Kotlin", "kt kts"],
  ["swift", "Swift", "swift"],
  ["scala", "Scala", "scala sc"],
  ["objectivec", "Objective-C", "m mm"],
  ["dart", "Dart", "dart"],
  ["lua", "Lua", "lua"],
  ["perl", "Perl", "pl pm"],
  ["r", "R", "r"],
  ["julia", "Julia", "jl"],
  ["elixir", "Elixir", "ex exs"],
  ["erlang", "Erlang", "erl hrl"],
  ["haskell", "Haskell", "hs lhs"],
  ["ocaml", "OCaml", "ml mli"],
  ["fsharp", "F#", "fs fsi fsx"],
  ["clojure", "Clojure", "clj cljs cljc edn"],
  ["zig", "Zig", "zig"],
  ["nim", "Nim", "nim"],
  ["vue", "Vue", "vue"],
  ["svelte", "Svelte", "svelte"],
  ["astro", "Astro", "astro"],
  ["sql", "SQL", "sql"],
  ["powershell", "PowerShell", "ps1 psm1 psd1"],
  ["assembly", "Assembly", "asm s"],
  ["wgsl", "WGSL", "wgsl"],
  ["glsl", "GLSL", "glsl vert frag comp geom"],
  ["hlsl", "HLSL", "hlsl"],
  ["metal", "Metal", "metal"],
  ["proto", "Protocol Buffers", "proto"],
  ["graphql", "GraphQL", "graphql gql"],
  ["solidity", "Solidity", "sol"],
  ["groovy", "Groovy", "groovy gradle"],
  ["cmake", "CMake", "cmake"],
  ["make", "Make", "mk mak"],
  ["nix", "Nix", "nix"],
  ["terraform", "Terraform", "tf hcl"],
  ["scss", "SCSS", "scss sass"],
  ["less", "Less", "less"],
  ["fortran", "Fortran", "f f90 f95 f03"],
  ["pascal", "Pascal", "pas pp"],
  ["commonlisp", "Lisp", "lisp el scm rkt"],
  ["batch", "Batch", "bat cmd"],
  ["tcl", "Tcl", "tcl"],
  ["vb", "Visual Basic", "vb bas"],
  ["dockerfile", "Dockerfile", "dockerfile"],
];

const markup: readonly Row[] = [
  ["markdown", "Markdown", "md mdx markdown"],
  ["rst", "reStructuredText", "rst"],
  ["asciidoc", "AsciiDoc", "adoc asciidoc"],
  ["html", "HTML", "html htm xhtml"],
  ["tex", "TeX", "tex bib"],
  ["text", "Text", "txt"],
];

const data: readonly Row[] = [
  ["json", "JSON", "json jsonc json5 jsonl"],
  ["yaml", "YAML", "yaml yml"],
  ["toml", "TOML", "toml"],
  ["xml", "XML", "xml xsd xsl svg plist csproj props targets"],
  ["csv", "CSV", "csv tsv"],
  ["ini", "INI", "ini cfg conf properties"],
];

const byExtension = new Map<string, Language>();
const byId = new Map<string, Language>();
for (const [kind, rows] of [
  ["code", code],
  ["markup", markup],
  ["data", data],
] as const) {
  for (const [id, name, extensions, grammar, queries] of rows) {
    const language: Language = { id, name, kind, grammar: grammar ?? null, queries: queries ?? id };
    byId.set(id, language);
    for (const extension of extensions.split(" ")) byExtension.set(extension, language);
  }
}

const byName = new Map<string, string>([
  ["Makefile", "make"],
  ["GNUmakefile", "make"],
  ["CMakeLists.txt", "cmake"],
  ["Dockerfile", "dockerfile"],
  ["Rakefile", "ruby"],
  ["Gemfile", "ruby"],
  ["Podfile", "ruby"],
  [".bashrc", "bash"],
  [".zshrc", "bash"],
  [".profile", "bash"],
  ["Jenkinsfile", "groovy"],
]);

/** The language of a file by its name, or null. */
export function languageOf(path: string): Language | null {
  const named = byName.get(baseNameOf(path));
  if (named !== undefined) return byId.get(named) ?? null;
  return byExtension.get(extensionOf(path)) ?? null;
}

export function languagesWithGrammar(): readonly Language[] {
  return [...byId.values()].filter((language) => language.grammar !== null);
}

const buildFiles = new Set(
  `package.json tsconfig.json deno.json Cargo.toml go.mod pyproject.toml setup.py setup.cfg requirements.txt Pipfile
  pom.xml build.gradle build.gradle.kts settings.gradle settings.gradle.kts CMakeLists.txt Makefile meson.build
  BUILD.bazel WORKSPACE MODULE.bazel Gemfile composer.json mix.exs pubspec.yaml Package.swift build.sbt build.zig
  dune-project stack.yaml Dockerfile docker-compose.yml flake.nix justfile`.split(/\s+/),
);

export function isBuildFile(path: string): boolean {
  return buildFiles.has(baseNameOf(path)) || /\.(?:sln|csproj|fsproj|cabal|gemspec)$/.test(path);
}

const tests =
  /(?:^|\/)(?:tests?|spec|__tests__|__mocks__|fixtures?|testdata|e2e|examples?|samples?|demos?|bench(?:marks?)?)\/|[._-](?:test|spec|bench|stories)\.[a-z]+$|(?:^|\/)test_[^/]*\.py$|_test\.(?:go|py|rb|c|cc|cpp)$/i;

/** Tests, fixtures, examples and benchmarks, by the habits of all languages. */
export function isTestPath(path: string): boolean {
  return tests.test(path);
}
