// Trains a byte-level BPE on a corpus and encodes the corpus for training.
// usage: node prepare.mjs CORPUS.jsonl OUTDIR [VOCAB=8192]
// CORPUS.jsonl: one {"pkg","p" (path),"c" (ts|ts_map|js|dts|md|py),"t" (text)} a line, permissively licensed files only.
// Writes tokenizer.json {vocab:[[bytes]...], merges:[[a,b]...], special:[...]}, train.bin and val.bin (u16 ids).
import fs from "node:fs";
import readline from "node:readline";

const [corpus, outdir, V = "8192"] = process.argv.slice(2);
const vocabSize = +V;
fs.mkdirSync(outdir, { recursive: true });

// The llama4 (o200k) pre-tokenizer, its (?i:...) group spelled out for older V8s.
const S = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?";
export const SPLIT = new RegExp(
  `[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+${S}|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*${S}|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
  "gu",
);
export const SPECIAL = [
  "<|begin_of_text|>",
  "<|end_of_text|>",
  "<|fim_prefix|>",
  "<|fim_middle|>",
  "<|fim_suffix|>",
  "<|header_start|>",
  "<|header_end|>",
  "<|eom|>",
  "<|eot|>",
  "<|image_start|>",
  "<|image_end|>",
  "<|tile_x_separator|>",
  "<|tile_y_separator|>",
  "<|image|>",
  "<|patch|>",
  "<|finetune_right_pad|>",
];

let seed = 20251122;
const rand = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
const te = new TextEncoder();
const lines = () => readline.createInterface({ input: fs.createReadStream(corpus) });
const WANT = new Set(["ts", "ts_map", "js", "md"]);
const usable = (d) => WANT.has(d.c) && d.t.length <= 40000 && !/polyfill|min\b|locale/i.test(d.p);
const clean = (t) =>
  t
    .replace(/^\s*(\/\*[\s\S]{0,3000}?(copyright|license)[\s\S]*?\*\/\s*)/i, "")
    .replace(/\n?\/\/# sourceMappingURL.*/g, "");

// 1. Word counts from a third of the corpus.
const words = new Map();
for await (const line of lines()) {
  if (rand() > 0.35) continue;
  const d = JSON.parse(line);
  if (!usable(d) || (d.c === "md" && rand() > 0.2)) continue;
  for (const m of clean(d.t).match(SPLIT) ?? []) words.set(m, (words.get(m) ?? 0) + 1);
}
// 2. BPE: merge the most frequent pair, keeping counts incrementally.
const seqs = [],
  cnts = [];
for (const [w, c] of words) {
  if (c < 2 && words.size > 400000) continue;
  seqs.push(Array.from(te.encode(w)));
  cnts.push(c);
}
const key = (a, b) => a * 65536 + b;
const pairs = new Map(),
  where = new Map();
const bump = (k, c, i) => {
  pairs.set(k, (pairs.get(k) ?? 0) + c);
  let s = where.get(k);
  if (!s) where.set(k, (s = new Set()));
  s.add(i);
};
seqs.forEach((w, i) => {
  for (let j = 0; j + 1 < w.length; j++) bump(key(w[j], w[j + 1]), cnts[i], i);
});
const vocab = Array.from({ length: 256 }, (_, i) => [i]),
  merges = [];
while (vocab.length < vocabSize - SPECIAL.length) {
  let best = -1,
    bc = 1;
  for (const [k, c] of pairs)
    if (c > bc) {
      bc = c;
      best = k;
    }
  if (best < 0) break;
  const a = Math.floor(best / 65536),
    b = best % 65536,
    id = vocab.length;
  merges.push([a, b]);
  vocab.push([...vocab[a], ...vocab[b]]);
  const at = where.get(best);
  pairs.delete(best);
  where.delete(best);
  for (const i of at) {
    const w = seqs[i],
      c = cnts[i],
      n = [];
    for (let j = 0; j < w.length; j++)
      if (j + 1 < w.length && w[j] === a && w[j + 1] === b) {
        n.push(id);
        j++;
      } else n.push(w[j]);
    if (n.length === w.length) continue;
    for (let j = 0; j + 1 < w.length; j++) {
      const k = key(w[j], w[j + 1]);
      if (k !== best) {
        const v = (pairs.get(k) ?? 0) - c;
        if (v <= 0) pairs.delete(k);
        else pairs.set(k, v);
      }
    }
    for (let j = 0; j + 1 < n.length; j++) bump(key(n[j], n[j + 1]), c, i);
    seqs[i] = n;
  }
}
fs.writeFileSync(`${outdir}/tokenizer.json`, JSON.stringify({ vocab, merges, special: SPECIAL }));
const base = vocab.length,
  sp = Object.fromEntries(SPECIAL.map((s, i) => [s, base + i]));
console.log("vocab", base + SPECIAL.length);

// 3. Encode.
const rank = new Map(merges.map(([a, b], i) => [key(a, b), i])),
  cache = new Map();
function word(w) {
  let a = cache.get(w);
  if (a) return a;
  a = Array.from(te.encode(w));
  for (;;) {
    let br = Infinity,
      bj = -1;
    for (let j = 0; j + 1 < a.length; j++) {
      const r = rank.get(key(a[j], a[j + 1]));
      if (r !== undefined && r < br) {
        br = r;
        bj = j;
      }
    }
    if (bj < 0) break;
    const [x, y] = merges[br],
      n = [];
    for (let j = 0; j < a.length; j++)
      if (j + 1 < a.length && a[j] === x && a[j + 1] === y) {
        n.push(256 + br);
        j++;
      } else n.push(a[j]);
    a = n;
  }
  if (cache.size < 3e6) cache.set(w, a);
  return a;
}
const enc = (t) => {
  const o = [];
  for (const m of t.match(SPLIT) ?? []) for (const x of word(m)) o.push(x);
  return o;
};
const header = (p) => `=== ${p.replace(/^(webpack:\/\/\/?|\.\.?\/)+/, "")} ===\n`;
const chatTurn = (role, text) => [
  sp["<|header_start|>"],
  ...enc(role),
  sp["<|header_end|>"],
  ...enc("\n\n" + text),
  sp["<|eot|>"],
];

const byPkg = new Map();
for await (const line of lines()) {
  const d = JSON.parse(line);
  if (!usable(d)) continue;
  d.t = clean(d.t);
  if (d.t.length < 150) continue;
  if (!byPkg.has(d.pkg)) byPkg.set(d.pkg, []);
  byPkg.get(d.pkg).push(d);
}
const h = (s) => {
  let x = 7;
  for (const c of s) x = (x * 31 + c.charCodeAt(0)) >>> 0;
  return x;
};
const out = { train: [], val: [] },
  chars = { train: 0, val: 0 };
const pkgs = [...byPkg.keys()].sort((a, b) => h(a) - h(b));
let nChat = 0;
for (const pkg of pkgs) {
  const split = h(pkg) % 67 === 0 ? "val" : "train",
    dst = out[split];
  let pack = [sp["<|begin_of_text|>"]];
  for (const d of byPkg.get(pkg)) {
    chars[split] += d.t.length;
    const body = d.t.endsWith("\n") ? d.t : d.t + "\n";
    if (rand() < 0.3 && body.length > 300) {
      // Fill in the middle: prefix, suffix, middle. Cut at line ends half of the time.
      let i = Math.floor(rand() * (body.length - 100)),
        j = i + 1 + Math.floor(rand() ** 2 * Math.min(600, body.length - i - 1));
      if (rand() < 0.5) {
        j = body.indexOf("\n", j);
        if (j < 0) j = body.length;
      }
      pack.push(
        sp["<|fim_prefix|>"],
        ...enc(header(d.p) + body.slice(0, i)),
        sp["<|fim_suffix|>"],
        ...enc(body.slice(j)),
        sp["<|fim_middle|>"],
        ...enc(body.slice(i, j)),
        sp["<|eot|>"],
      );
    } else pack.push(...enc(header(d.p) + body + "\n"));
    // A few chat turns from documented functions.
    const m =
      /\/\*\*\s*\n((?:\s*\*[^\n]*\n){1,6}?)\s*\*\/\s*\n\s*((?:export )?(?:default )?(?:async )?function\s+(\w+)[^{]{0,200}\{[\s\S]{20,900}?\n\})/.exec(
        body,
      );
    if (m && rand() < 0.5) {
      const doc = m[1]
        .replace(/^\s*\*\s?/gm, "")
        .replace(/@\w+.*$/gm, "")
        .replace(/\s+/g, " ")
        .trim();
      if (doc.length > 20 && doc.length < 300) {
        nChat++;
        pack.push(
          ...(rand() < 0.5
            ? [...chatTurn("user", `What does \`${m[3]}\` do?`), ...chatTurn("assistant", doc)]
            : [...chatTurn("user", `Write \`${m[3]}\`: ${doc}`), ...chatTurn("assistant", "```ts\n" + m[2] + "\n```")]),
        );
      }
    }
    if (pack.length > 16000) {
      dst.push(Uint16Array.from(pack));
      pack = [sp["<|begin_of_text|>"]];
    }
  }
  pack.push(sp["<|end_of_text|>"]);
  if (pack.length > 64) dst.push(Uint16Array.from(pack));
}
for (const split of ["train", "val"]) {
  const docs = out[split];
  for (let i = docs.length - 1; i > 0; i--) {
    const j = Math.floor(rand() * (i + 1));
    [docs[i], docs[j]] = [docs[j], docs[i]];
  }
  const n = docs.reduce((s, d) => s + d.length, 0),
    o = new Uint16Array(n);
  let p = 0;
  for (const d of docs) {
    o.set(d, p);
    p += d.length;
  }
  fs.writeFileSync(`${outdir}/${split}.bin`, Buffer.from(o.buffer));
  console.log(split, "docs", docs.length, "tokens", n, "chars/token", (chars[split] / n).toFixed(2));
}
console.log("chat turns", nChat);
