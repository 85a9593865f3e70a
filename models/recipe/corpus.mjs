// Gathers permissively licensed TypeScript and JavaScript sources from npm packages into one JSON-lines file.
// usage: node corpus.mjs OUT.jsonl PACKAGES.txt|--top N        (needs: npm i npm-registry-fetch npm-high-impact)
// Keeps original-looking sources (src/, lib/, and the sources inside source maps) under MIT, ISC, Apache-2.0, BSD, 0BSD,
// Unlicense, CC0 or BlueOak; drops minified, generated, compiled, vendored and near-duplicate files.
// Lines: {c: ts|ts_map|js|dts|md, pkg, p: path, l: licence, t: text}
import crypto from "node:crypto";
import fs from "node:fs";
import zlib from "node:zlib";
import nrf from "npm-registry-fetch";
import { npmHighImpact, npmTopDependents } from "npm-high-impact";

const [out, from, n] = process.argv.slice(2);
const list =
  from === "--top"
    ? [...new Set(npmHighImpact.slice(0, +n).concat(npmTopDependents.slice(0, +n)))]
    : fs.readFileSync(from, "utf8").split("\n").filter(Boolean);
const OK =
    /^\(?(MIT|ISC|Apache-2\.0|BSD-2-Clause|BSD-3-Clause|0BSD|Unlicense|CC0-1\.0|BlueOak-1\.0\.0|MIT-0)( (OR|AND) [\w.\-]+)*\)?$/i,
  BAD = /GPL|AGPL|SSPL|BUSL|CC-BY-NC|Commons|Elastic/i;
const sink = fs.createWriteStream(out),
  used = fs.createWriteStream(out + ".packages");
const seen = new Set(),
  longLines = new Set();
const hash = (s) => crypto.createHash("sha1").update(s).digest("hex").slice(0, 14);

function original(text) {
  if (text.length < 200 || text.length > 120000) return false;
  const L = text.split("\n");
  let max = 0,
    sum = 0;
  for (const l of L) {
    if (l.length > max) max = l.length;
    sum += l.length;
  }
  if (max > 400 || sum / L.length > 70 || L.length < 8) return false;
  if ((text.match(/[A-Za-z]/g) ?? []).length / text.length < 0.4) return false;
  if (
    /__esModule|_interopRequire|__importDefault|__awaiter|__extends|__create = Object|regeneratorRuntime|tslib|webpackBootstrap|__webpack|_createClass|_classCallCheck|__decorate|auto-?generated|do not edit|@generated/i.test(
      text.slice(0, 60000),
    )
  )
    return false;
  if (/\\u[0-9a-f]{4}(\\u[0-9a-f]{4}){6}|\\x[0-9a-f]{2}(\\x[0-9a-f]{2}){8}/i.test(text)) return false;
  let k = 0,
    dup = 0;
  const fresh = [];
  for (const l of L) {
    const t = l.trim();
    if (t.length < 25) continue;
    k++;
    const q = hash(t);
    if (longLines.has(q)) dup++;
    else fresh.push(q);
  }
  if (k && dup / k > 0.5) return false;
  for (const q of fresh) longLines.add(q);
  return true;
}
const kind = (p) =>
  /\.d\.[mc]?ts$/.test(p)
    ? "dts"
    : /\.[mc]?tsx?$/.test(p)
      ? "ts"
      : /\.[mc]?jsx?$/.test(p)
        ? "js"
        : /\.md$/i.test(p)
          ? "md"
          : null;
const emit = (c, pkg, p, t, l) => sink.write(JSON.stringify({ c, pkg, p, l, t }) + "\n");

function* untar(buf) {
  for (let o = 0, long = null; o + 512 <= buf.length && buf[o] !== 0; ) {
    const h = buf.subarray(o, o + 512),
      str = (a, b) => h.toString("utf8", a, b).replace(/\0.*$/s, "");
    const size = Number.parseInt(str(124, 136).replace(/[^0-7]/g, ""), 8) || 0,
      type = String.fromCharCode(h[156]);
    const body = buf.subarray(o + 512, o + 512 + size);
    if (type === "L") long = body.toString("utf8").replace(/\0.*$/s, "");
    else if (type === "x") long = /\d+ path=([^\n]+)\n/.exec(body.toString("utf8"))?.[1] ?? long;
    else {
      if (type === "0" || type === "\0")
        yield [long ?? (str(345, 500) ? `${str(345, 500)}/${str(0, 100)}` : str(0, 100)), body];
      long = null;
    }
    o += 512 + Math.ceil(size / 512) * 512;
  }
}

async function one(name) {
  const doc = await nrf.json("/" + name.replace("/", "%2f"), {
    headers: { accept: "application/vnd.npm.install-v1+json" },
    timeout: 30000,
  });
  const version = doc["dist-tags"].latest,
    v = doc.versions[version];
  const licence = String((typeof v?.license === "object" ? v.license.type : v?.license) ?? "");
  if (!OK.test(licence) || BAD.test(licence)) return;
  const raw = Buffer.from(await (await nrf(v.dist.tarball, { timeout: 60000 })).arrayBuffer());
  if (raw.length > 25e6) return;
  const files = [...untar(zlib.gunzipSync(raw))].map(([p, b]) => [p.replace(/^[^/]+\//, ""), b]);
  const hasSource = files.some(([p]) => /^(src|lib|source)\/.*\.tsx?$/.test(p) && !/\.d\.ts$/.test(p));
  for (const [p, b] of files) {
    if (/(^|\/)(node_modules|bower_components|vendor|third_party|fixtures?|__snapshots__|locales?|i18n|min)\//i.test(p))
      continue;
    if (/\.map$/.test(p)) {
      if (b.length > 15e6 || hasSource) continue;
      let m;
      try {
        m = JSON.parse(b.toString("utf8"));
      } catch {
        continue;
      }
      m.sourcesContent?.forEach((t, i) => {
        const s = m.sources[i];
        if (!t || !s || /node_modules|webpack\//.test(s) || kind(s) !== "ts" || seen.has(hash(t))) return;
        seen.add(hash(t));
        if (original(t)) emit("ts_map", name, s, t, licence);
      });
      continue;
    }
    const c = kind(p);
    if (!c || /\.min\.|[.\-_]min\.js|\.prod\.|\.umd\.|\.iife\.|bundle|\.esm\.|\.cjs\.js/i.test(p)) continue;
    if (
      c === "js" &&
      (hasSource ||
        /(^|\/)(dist|build|es|esm|esm5|cjs|commonjs|umd|out|es6|fesm\d*|_esm|module|modern|legacy|compiled|output)\//i.test(
          p,
        ))
    )
      continue;
    const t = b.toString("utf8").replace(/\r\n/g, "\n");
    if (t.includes("\ufffd") || seen.has(hash(t))) continue;
    seen.add(hash(t));
    if (c === "md" ? /readme/i.test(p) && t.length < 60000 && t.length > 500 : original(t))
      emit(c, name, p, t, licence);
  }
  used.write(`${name}@${version}\t${licence}\n`);
}
let next = 0,
  failed = 0;
await Promise.all(
  Array.from({ length: 6 }, async () => {
    while (next < list.length) {
      const name = list[next++];
      try {
        await one(name);
      } catch {
        failed++;
      }
      if (next % 250 === 0) console.log(next, "of", list.length, "failed", failed);
    }
  }),
);
