/**
 * Which files hold text worth a model's attention. By name first (no read), then size, then content.
 * Each verdict names what it saw, so that a person can disagree with it precisely.
 */
import { baseNameOf, extensionOf } from "./paths.ts";
import type { OmissionCode } from "./reason.ts";

export interface Verdict {
  readonly code: OmissionCode;
  readonly detail: string;
}

export interface SizeLimits {
  /** Above this a file is not read at all. */
  readonly fileBytes: number;
  /** Above this a file whose extension says "data" is left out. */
  readonly dataBytes: number;
}

/** Generous for anything typed by a person: 2 MB is some 50,000 lines. */
export const defaultSizeLimits: SizeLimits = { fileBytes: 2 * 1024 * 1024, dataBytes: 128 * 1024 };

function words(list: string): ReadonlySet<string> {
  return new Set(list.split(/\s+/).filter((word) => word !== ""));
}

const binaryExtensions = words(`
  png jpg jpeg gif bmp ico icns webp avif heic tif tiff psd ai eps xcf blend fbx glb
  mp3 mp4 m4a m4v wav flac ogg oga ogv opus webm avi mov mkv wmv aac mid
  woff woff2 ttf otf eot ttc
  zip gz tgz bz2 xz zst lz4 7z rar tar jar war ear nupkg vsix whl egg gem crate deb rpm apk aab ipa dmg iso img
  exe dll so dylib a lib o obj pdb class pyc pyo pyd wasm node bin elf ko efi
  pdf doc docx xls xlsx ppt pptx odt ods odp
  db sqlite sqlite3 mdb ldb rdb parquet arrow avro orc feather h5 hdf5 npy npz mat pkl pickle joblib
  gguf safetensors onnx pt pth ckpt tflite mlmodel pb
  jks keystore p12 pfx cer crt der
`);

const dataExtensions = words(
  "json jsonl ndjson json5 geojson csv tsv xml svg yaml yml toml txt log sql po pot xlf xliff properties plist dump",
);

const lockFiles = words(`
  package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock bun.lockb deno.lock shrinkwrap.yaml
  Cargo.lock Gemfile.lock composer.lock poetry.lock Pipfile.lock pdm.lock uv.lock conda-lock.yml go.sum go.work.sum
  mix.lock rebar.lock pubspec.lock Podfile.lock Package.resolved Cartfile.resolved packages.lock.json paket.lock
  flake.lock gradle.lockfile buildscript-gradle.lockfile stack.yaml.lock cabal.project.freeze
  .terraform.lock.hcl Chart.lock MODULE.bazel.lock Brewfile.lock.json renv.lock packrat.lock
`);

/** A verdict from the name alone, or null to look further. */
export function classifyName(path: string): Verdict | null {
  const name = baseNameOf(path);
  if (lockFiles.has(name)) return { code: "lockFile", detail: "" };
  const extension = extensionOf(path);
  if (binaryExtensions.has(extension)) return { code: "binary", detail: `.${extension}` };
  if (extension === "map" && /\.(?:[cm]?[jt]sx?|css|d\.[cm]?ts)\.map$/i.test(name))
    return { code: "generated", detail: "source map" };
  const minified = /[.-]min\.(?:[cm]?js|css|html)$/i.exec(name);
  if (minified !== null) return { code: "minified", detail: `*${minified[0]}` };
  return null;
}

export function classifySize(path: string, bytes: number, limits: SizeLimits): Verdict | null {
  if (bytes > limits.fileBytes) return { code: "hugeFile", detail: `over ${sizeText(limits.fileBytes)}` };
  const extension = extensionOf(path);
  if (bytes > limits.dataBytes && dataExtensions.has(extension)) {
    return { code: "bigData", detail: `.${extension} over ${sizeText(limits.dataBytes)}` };
  }
  return null;
}

export function classifyText(path: string, text: string): Verdict | null {
  return classifyMinified(path, text) ?? classifyGenerated(text);
}

const proseExtensions = words("md mdx markdown rst adoc txt tex org html htm vue svelte ipynb");

/** Past these a line was not written by hand. Paragraphs of prose are one line each, and pages inline a picture. */
const machineLine = 1000;
const machineProseLine = 20_000;
/** Small files are kept whatever their lines: a one-line JSON of 2 KB is cheaper than an explanation. */
const smallText = 2048;

/** Minified: most of the text sits in lines too long to have been typed, or the whole has hardly any line breaks. */
function classifyMinified(path: string, text: string): Verdict | null {
  if (text.length <= smallText) return null;
  const limit = proseExtensions.has(extensionOf(path)) ? machineProseLine : machineLine;
  let inLongLines = 0;
  let longest = 0;
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    const length = end - start;
    if (length > limit) inLongLines += length;
    if (length > longest) longest = length;
    start = end + 1;
  }
  return inLongLines * 2 > text.length ? { code: "minified", detail: `a line of ${longest} characters` } : null;
}

// The marks tools write at the top of what they make. Go's is specified: https://go.dev/s/generatedcode.
const generatedMark =
  /^[^\w\n]*Code generated .* DO NOT EDIT|@generated\b|<auto-?generated|^[^\w\n]*(?:This|The) (?:file|code|class|module) (?:was|is|has been) (?:(?:automatically|auto)[ -]?)?generated\b|^[^\w\n]*(?:automatically|auto)[ -]?generated (?:by|from|file|code)\b|^[^\w\n]*Generated by the protocol buffer compiler|^[^\w\n]*DO NOT EDIT\b.*\bgenerated\b/im;

/** Characters from the top in which a mark counts; deeper it is more likely a program that writes marks. */
const markReach = 1200;

function classifyGenerated(text: string): Verdict | null {
  const head = text.slice(0, markReach);
  // One cheap word first: most files say nothing of the kind.
  const mark = /generat/i.test(head) ? generatedMark.exec(head) : null;
  if (mark === null) return null;
  const line = head.slice(0, mark.index).split("\n").length;
  return { code: "generated", detail: `mark on line ${line}` };
}

function sizeText(bytes: number): string {
  return bytes >= 1024 * 1024 ? `${bytes / (1024 * 1024)} MB` : `${bytes / 1024} KB`;
}
