/**
 * WGSL texts, assembled: one file an op, shared parts by include, so that a kernel reads as a page and not as a string.
 *
 * Directives stand alone on a line:
 *   //#include heads.wgsl           the text of another file
 *   //#weight A 0 rows.wgsl         the reader of weight A's type (and a part on top of it), its data at binding 0; names get
 *                                   the prefix A_
 *   //#if NAME … //#else … //#end   kept when the constant NAME is set and not false
 * and `CONST_NAME` in the text becomes the value of constant NAME: for sizes WGSL does not allow as override constants
 * (arrays outside workgroup memory). Anything else is an `override`.
 *
 * From source, texts are read beside this file; in the product they lie in `shaders/` beside the bundle.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { EngineError } from "../../errors.ts";

export type ShaderConstants = Readonly<Record<string, number | boolean | string>>;

const texts = new Map<string, string>();
let folder: string | undefined;

function shaderFolder(): string {
  if (folder !== undefined) return folder;
  const here = dirname(fileURLToPath(import.meta.url));
  const candidates = [join(here, "wgsl"), join(here, "shaders")];
  folder = candidates.find((path) => existsSync(path));
  if (folder === undefined) {
    throw new EngineError("io", `the GPU kernels are neither at ${candidates.join(" nor at ")}`, {
      remedy: "Build the project (npm run build), or install the extension again.",
    });
  }
  return folder;
}

/** In the source tree weight readers have a folder of their own; the product keeps all texts in one. */
function textOf(name: string): string {
  let text = texts.get(name);
  if (text === undefined) {
    const path = [join(shaderFolder(), name), join(shaderFolder(), "weight", name)].find((each) => existsSync(each));
    if (path === undefined) throw new EngineError("io", `the GPU kernel ${name} is missing from ${shaderFolder()}`);
    text = readFileSync(path, "utf8");
    texts.set(name, text);
  }
  return text;
}

/** The whole text of a kernel. Weight prefixes find their type in `constants` under their own name: {A: "Q4_K"}. */
export function shaderSource(name: string, constants: ShaderConstants): string {
  return substitute(expand(textOf(name), constants), constants);
}

function substitute(text: string, constants: ShaderConstants): string {
  return text.replace(/\bCONST_([A-Z_]+)/g, (name, key: string) => {
    const value = constants[key];
    if (value === undefined) throw new EngineError("internal", `a GPU kernel needs ${name}`);
    return String(value);
  });
}

function expand(text: string, constants: ShaderConstants): string {
  const out: string[] = [];
  /** Whether each open `//#if` lets lines through. */
  const open: boolean[] = [];
  for (const line of text.split("\n")) {
    const [directive, first = "", second = "", third] = line.startsWith("//#") ? line.slice(3).split(/\s+/) : [];
    if (directive === "if") open.push(constants[first] !== undefined && constants[first] !== false);
    else if (directive === "else") open.push(!open.pop());
    else if (directive === "end") open.pop();
    else if (open.includes(false)) continue;
    else if (directive === "include") out.push(expand(textOf(substitute(first, constants)), constants));
    else if (directive === "weight") out.push(weightReader(first, second, third, constants));
    else out.push(line);
  }
  return out.join("\n");
}

function weightReader(prefix: string, binding: string, extra: string | undefined, constants: ShaderConstants): string {
  const type = String(constants[prefix]).toLowerCase();
  const parts = [`${type}.wgsl`, ...(extra === undefined ? [] : [extra])];
  const text = parts.map((part) => expand(textOf(part), constants)).join("\n");
  return text.replace(/\bW_/g, `${prefix}_`).replaceAll("@binding(W)", `@binding(${binding})`);
}
