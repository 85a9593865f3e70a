/**
 * A large, realistic tree for the packer's benchmarks: sources of the installed npm packages, copied file by file in
 * sorted order until there are enough files and bytes. The same packages give the same tree.
 *
 *   node bench/packTree.ts DIR [FILES] [BYTES]      assembles into DIR, which must not exist
 */
import { copyFile, lstat, mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const sourceName = /\.(?:[cm]?[jt]sx?|py|go|rs|java|c|cc|h|hpp|cpp|cs|rb|php|sh|css|scss|md|ya?ml|html|vue|wgsl)$/;

/** Keeps the mean near that of hand-written repositories (some 5 KB); bundles would make it ten times that. */
const largestSource = 12 * 1024;

/** Node's own package carries OpenSSL's headers once for each of thirty platforms. */
const isPlatformPackage = /^node-[a-z0-9]+-[a-z0-9]+$/;

export interface AssembledTree {
  readonly files: number;
  readonly bytes: number;
}

/**
 * Copies sources of `packages` (a node_modules folder) below `target`, several times over under numbered folders when
 * once is not enough, until both `minFiles` and `minBytes` are reached.
 */
export async function assembleTree(
  packages: string,
  target: string,
  minFiles: number,
  minBytes: number,
): Promise<AssembledTree> {
  const sources: { path: string; bytes: number }[] = [];
  async function collect(folder: string): Promise<void> {
    const entries = await readdir(join(packages, folder), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!entry.name.startsWith(".") && !isPlatformPackage.test(path)) await collect(path);
      } else if (entry.isFile() && sourceName.test(entry.name) && !/[.-]min\./.test(entry.name)) {
        const { size } = await lstat(join(packages, path));
        if (size > 0 && size <= largestSource) sources.push({ path, bytes: size });
      }
    }
  }
  await collect("");
  let files = 0;
  let bytes = 0;
  for (let round = 0; files < minFiles || bytes < minBytes; round++) {
    for (const source of sources) {
      if (files >= minFiles && bytes >= minBytes) break;
      // A folder called node_modules would be left out, which is right for users and useless here.
      const to = join(target, `round${round}`, source.path.replaceAll("node_modules", "packages"));
      await mkdir(dirname(to), { recursive: true });
      await copyFile(join(packages, source.path), to);
      files++;
      bytes += source.bytes;
    }
  }
  return { files, bytes };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [target, files = "12000", bytes = "24000000"] = process.argv.slice(2);
  if (target === undefined) {
    console.error("usage: node bench/packTree.ts DIR [FILES] [BYTES]");
    process.exit(2);
  }
  await mkdir(target);
  const packages = join(dirname(fileURLToPath(import.meta.url)), "..", "node_modules");
  const tree = await assembleTree(packages, target, Number(files), Number(bytes));
  console.log(`${tree.files} files, ${tree.bytes} bytes`);
}
