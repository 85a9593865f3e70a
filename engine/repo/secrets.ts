/**
 * Secrets never enter a pack. Files whose purpose is to hold them are left out by name; inside other files a secret is
 * replaced in place, so that the file stays useful and every line keeps its number. Counts and places are reported,
 * the secret itself goes nowhere, not even into a log.
 *
 * Two kinds of rule: token shapes that issuers made recognisable on purpose, and values of high entropy assigned to a
 * name that says "secret". One combined search finds candidates, so a clean file pays for two passes only.
 */
import { baseNameOf } from "./paths.ts";

export interface Redaction {
  /** 1-based, in the decoded file; the same line in the pack. */
  readonly line: number;
  readonly kind: string;
}

export interface Redacted {
  readonly text: string;
  readonly redactions: readonly Redaction[];
}

const secretNames =
  /^(?:\.env(?:\..+)?|.+\.env|\.envrc|id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?|.+\.(?:pem|key|ppk|p8|asc|gpg|pgp|kdbx?|keychain|jks|keystore|p12|pfx|tfvars|tfstate(?:\.backup)?|ovpn|mobileprovision)|\.(?:netrc|pgpass|htpasswd|pypirc|git-credentials|dockercfg|s3cfg|boto|my\.cnf|vault-token)|_netrc|htpasswd|credentials|service[-_]?account.*\.json|client_secret.*\.json|secrets?\.(?:ya?ml|json|toml|properties|env)|master\.key|shadow)$/i;

/** Samples that carry names and no values: what a program expects in its environment is worth reading. */
const sampleNames = /(?:^|[._-])(?:example|sample|template|dist|defaults?|schema|test)(?:$|[._-])/i;

/** Why this file may not be packed at all, or null. */
export function secretFileReason(path: string): string | null {
  const name = baseNameOf(path);
  if (!secretNames.test(name)) return null;
  if (/^\.env|\.env$/i.test(name) && sampleNames.test(name)) return null;
  return `named ${/^\.env/i.test(name) ? ".env" : (/\.[^.]+$/.exec(name)?.[0] ?? name)}`;
}

interface Shape {
  readonly kind: string;
  /** Group 1 is the secret where there is one, else the whole match. */
  readonly pattern: RegExp;
}

// Prefixes as published by the issuers. Lengths are lower bounds: issuers have lengthened tokens before. A run that is
// followed by more has an upper bound too, so that no text makes the search quadratic.
const shapes: readonly Shape[] = [
  { kind: "age-key", pattern: /AGE-SECRET-KEY-1[0-9A-Z]{58}/dg },
  { kind: "aws-access-key-id", pattern: /\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b/dg },
  { kind: "github-token", pattern: /\bgh[pousr]_[A-Za-z0-9]{36,255}\b/dg },
  { kind: "github-token", pattern: /\bgithub_pat_[A-Za-z0-9_]{60,255}\b/dg },
  { kind: "gitlab-token", pattern: /\bgl(?:pat|dt|rt|ptt|ft|agent|soat|cbt|imt|oas)-[A-Za-z0-9_-]{20,}/dg },
  {
    kind: "slack-token",
    pattern: /\bxox[abeprs]-(?:\d-)?[A-Za-z0-9-]{20,}|\bxapp-\d-[A-Z0-9]+-\d+-[a-f0-9]{32,}/dg,
  },
  { kind: "slack-webhook", pattern: /hooks\.slack\.com\/(?:services|workflows)\/([A-Za-z0-9+/]{30,})/dg },
  { kind: "discord-webhook", pattern: /discord(?:app)?\.com\/api\/webhooks\/\d{15,}\/([A-Za-z0-9_-]{50,})/dg },
  { kind: "discord-token", pattern: /\b[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}\b/dg },
  { kind: "stripe-key", pattern: /\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{20,}|\bwhsec_[A-Za-z0-9+/=]{28,}/dg },
  { kind: "google-api-key", pattern: /\bAIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])/dg },
  { kind: "google-oauth", pattern: /\bGOCSPX-[A-Za-z0-9_-]{28}|\bya29\.[A-Za-z0-9_-]{30,}/dg },
  { kind: "npm-token", pattern: /\bnpm_[A-Za-z0-9]{36}\b/dg },
  { kind: "npm-token", pattern: /:_(?:authToken|auth|password)\s*=\s*"?([^\s"${}]{16,})/dg },
  { kind: "pypi-token", pattern: /\bpypi-AgE[A-Za-z0-9_-]{50,}/dg },
  { kind: "rubygems-key", pattern: /\brubygems_[a-f0-9]{48}\b/dg },
  { kind: "crates-token", pattern: /\bcio[A-Za-z0-9]{32}\b/dg },
  { kind: "openai-key", pattern: /\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,120}T3BlbkFJ[A-Za-z0-9_-]{20,}/dg },
  { kind: "anthropic-key", pattern: /\bsk-ant-[a-z]+\d{2}-[A-Za-z0-9_-]{60,}/dg },
  { kind: "openrouter-key", pattern: /\bsk-or-v1-[0-9a-f]{64}\b/dg },
  { kind: "huggingface-token", pattern: /\b(?:hf|api_org)_[A-Za-z]{34}\b/dg },
  { kind: "groq-key", pattern: /\bgsk_[A-Za-z0-9]{48,}\b/dg },
  { kind: "sendgrid-key", pattern: /\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}/dg },
  { kind: "mailgun-key", pattern: /\bkey-[0-9a-f]{32}\b/dg },
  { kind: "mailchimp-key", pattern: /\b[0-9a-f]{32}-us\d{1,2}\b/dg },
  { kind: "twilio-key", pattern: /\bSK[0-9a-f]{32}\b/dg },
  { kind: "telegram-token", pattern: /\b\d{8,10}:AA[A-Za-z0-9_-]{33}\b/dg },
  { kind: "shopify-token", pattern: /\bshp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}\b/dg },
  { kind: "square-token", pattern: /\bsq0(?:atp|csp)-[A-Za-z0-9_-]{22,43}|\bEAAA[A-Za-z0-9_-]{60}\b/dg },
  { kind: "digitalocean-token", pattern: /\bdo[opr]_v1_[a-f0-9]{64}\b/dg },
  { kind: "databricks-token", pattern: /\bdapi[a-f0-9]{32}(?:-\d)?\b/dg },
  { kind: "doppler-token", pattern: /\bdp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9._-]{40,}/dg },
  { kind: "vault-token", pattern: /\bhv[sbr]\.[A-Za-z0-9_-]{24,}/dg },
  { kind: "terraform-token", pattern: /\b[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{60,}/dg },
  { kind: "linear-key", pattern: /\blin_(?:api|oauth)_[A-Za-z0-9]{40,}/dg },
  { kind: "notion-token", pattern: /\bntn_[A-Za-z0-9]{40,}|\bsecret_[A-Za-z0-9]{43}\b/dg },
  { kind: "figma-token", pattern: /\bfig[dou]_[A-Za-z0-9_-]{40,}/dg },
  { kind: "atlassian-token", pattern: /\bATATT3[A-Za-z0-9_=-]{100,}/dg },
  { kind: "newrelic-key", pattern: /\bNRAK-[A-Z0-9]{27}\b/dg },
  { kind: "grafana-token", pattern: /\bgl(?:sa|c)_[A-Za-z0-9+/=_]{32,}/dg },
  { kind: "postman-key", pattern: /\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}\b/dg },
  { kind: "sentry-token", pattern: /\bsntry[su]_[A-Za-z0-9+/=_]{60,}/dg },
  { kind: "pulumi-token", pattern: /\bpul-[a-f0-9]{40}\b/dg },
  { kind: "planetscale-token", pattern: /\bpscale_(?:tkn|pw|oauth)_[A-Za-z0-9._-]{32,}/dg },
  { kind: "docker-token", pattern: /\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{24,}/dg },
  { kind: "facebook-token", pattern: /\bEAA[A-Za-z0-9]{90,}\b/dg },
  { kind: "azure-key", pattern: /(?:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{40,}={0,2})/dg },
  { kind: "azure-sas", pattern: /[?&]sig=([A-Za-z0-9%+/]{40,}(?:%3D|=)?)/dg },
  {
    kind: "azure-ad-secret",
    pattern: /(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~.-])/dg,
  },
  { kind: "json-web-token", pattern: /\beyJ[A-Za-z0-9_-]{10,400}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{20,}/dg },
  {
    kind: "url-password",
    pattern: /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:/@"'`<>]{0,64}:([^\s:/@"'`<>${}]{3,128})@[A-Za-z0-9[]/dg,
  },
  {
    kind: "authorization-header",
    pattern:
      /\b[Aa]uthorization["']?\s*[:=,]\s*["'`]?(?:Bearer|Basic|Token|token|bearer|basic)\s+([A-Za-z0-9+/_.=-]{24,})/dg,
  },
];

// Text that must be present for any shape to match: one scan decides whether a file is looked at closely.
const shapeHint =
  /AGE-SECRET|\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]|\bgh[pousr]_|github_pat_|\bgl[a-z]{1,5}[-_]|\bxox[a-z]-|xapp-|hooks\.slack|api\/webhooks|\b[MNO][\w-]{23,27}\.|\b[sr]k_(?:live|test)_|whsec_|\bAIza|GOCSPX-|ya29\.|npm_[A-Za-z0-9]{36}|:_(?:auth|password)|pypi-AgE|rubygems_|\bcio[A-Za-z0-9]{32}|\bsk-|\b(?:hf|api_org)_|gsk_|\bSG\.|\bkey-[0-9a-f]{32}|[0-9a-f]{32}-us\d|\bSK[0-9a-f]{32}|\d:AA|shp(?:at|ca|pa|ss)_|sq0(?:atp|csp)|EAA[A-Za-z0-9]{30}|_v1_|dapi[a-f0-9]{32}|\bdp\.|\bhv[sbr]\.|atlasv1|lin_(?:api|oauth)|ntn_|secret_[A-Za-z0-9]{43}|\bfig[dou]_|ATATT3|NRAK-|PMAK-|sntry[su]_|\bpul-|pscale_|dckr_|A(?:ccount|ccess)Key=|[?&]sig=|\dQ~|\beyJ|:\/\/[^\s:/@"'`<>]{0,64}:[^\s:/@"'`<>]{3,128}@|uthorization/;

/**
 * A name that says its value is secret, an assignment, and a value of at least 12 characters. It starts at the telling
 * word, not at the name: a prefix of word characters would make every identifier a place to backtrack from.
 */
const assignment =
  /(?:secret|token|passw(?:or)?d|passphrase|pwd|api[_-]?key|apikey|access[_-]?key|account[_-]?key|private[_-]?key|signing[_-]?key|encryption[_-]?key|credential|auth[_-]?key|client[_-]?key)[\w.-]{0,24}["'\]]{0,2}\s{0,4}(?:=>|:=|=|:)\s{0,4}(?:(?<quote>["'`])(?<quoted>[^"'`\s]{12,512})\k<quote>|(?<bare>[A-Za-z0-9+/_=.~!@#%^&*-]{16,512})(?=[ \t]{0,8}(?:$|[,;#\n])))/dgim;

const assignmentHint =
  /secret|token|passw|passphrase|pwd|api[_-]?key|(?:access|account|private|signing|encryption|auth|client)[_-]?key|credential/i;

/** Values that stand for a secret without being one. */
const placeholder =
  /example|sample|dummy|placeholder|your|change|replace|insert|redacted|secret|password|passwd|default|foo|bar(?![a-z0-9]{8})|xxxx|\*\*\*|\.\.\.|1234567|abcdef(?:gh|12)|test|fake|mock|todo|none|null|undefined|process\.env|os\.environ|getenv|\$\{|\{\{|<[a-z]/i;

/** Replaces every secret in `text`; the number of lines stays. */
export function redactSecrets(text: string): Redacted {
  const found: { start: number; end: number; kind: string }[] = [];
  findKeyBlocks(text, found);
  if (shapeHint.test(text)) {
    for (const { kind, pattern } of shapes) {
      for (const match of text.matchAll(pattern)) {
        const [start, end] = match.indices?.[1] ?? match.indices?.[0] ?? [0, 0];
        if (isPlausible(kind, text.slice(start, end))) found.push({ start, end, kind });
      }
    }
  }
  if (assignmentHint.test(text)) {
    for (const match of text.matchAll(assignment)) {
      const { quoted, bare } = match.indices?.groups ?? {};
      const span = quoted ?? bare;
      if (span === undefined || !looksRandom(text.slice(span[0], span[1]), quoted === undefined)) continue;
      found.push({ start: span[0], end: span[1], kind: "assigned-secret" });
    }
  }
  return found.length === 0 ? { text, redactions: [] } : replaceSpans(text, found);
}

/** Longest block taken for one key: RSA with 16,384 bits is 12,600 characters of PEM. */
const longestKeyBlock = 16_384;

const keyBlocks = [
  { begin: /-----BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----/g, end: "-----END " },
  { begin: /PuTTY-User-Key-File-\d/g, end: "Private-MAC: " },
] as const;

/**
 * Private keys between their markers, by search and not by one expression: a text of many BEGINs and no END would make
 * that quadratic. A block cut short is a key too, up to the next line that is not key material.
 */
function findKeyBlocks(text: string, found: { start: number; end: number; kind: string }[]): void {
  for (const { begin, end: endMarker } of keyBlocks) {
    let taken = 0;
    let marker = -1;
    for (const match of text.matchAll(begin)) {
      const start = match.index;
      if (start < taken) continue;
      const body = start + match[0].length;
      if (marker < body && marker !== Number.POSITIVE_INFINITY) {
        const next = text.indexOf(endMarker, body);
        marker = next < 0 ? Number.POSITIVE_INFINITY : next;
      }
      const isClosed = marker - start <= longestKeyBlock;
      const lineEnd = text.indexOf("\n", isClosed ? marker : body);
      const rest = text.slice(body, body + longestKeyBlock);
      // In a JSON or quoted string the whole key is one line: end at the marker's own dashes, not at the line.
      const closing = /^(?:-----END [A-Z0-9 ]{0,40}-----|Private-MAC: [0-9a-f]*)/.exec(
        isClosed ? text.slice(marker, marker + 128) : "",
      );
      let end: number;
      if (closing !== null) end = marker + closing[0].length;
      else if (isClosed) end = lineEnd < 0 ? text.length : lineEnd;
      else end = body + (/^(?:\s*[A-Za-z0-9+/=]{16,}|\\n)*/.exec(rest)?.[0].length ?? 0);
      // Documentation shows the markers with an ellipsis between them.
      if (!/[A-Za-z0-9+/]{40}/.test(text.slice(body, end))) continue;
      found.push({ start, end, kind: "private-key" });
      taken = end;
    }
  }
}

function isPlausible(kind: string, value: string): boolean {
  if (kind === "url-password")
    return (
      !placeholder.test(value) && !/^(?:pass|pwd|pw|user|root|admin|x+|\d{1,5})$/i.test(value) && !/[()[\]]/.test(value)
    );
  if (kind === "authorization-header") return looksRandom(value, true);
  if (kind === "aws-access-key-id") return !value.endsWith("EXAMPLE");
  if (kind === "notion-token" || kind === "twilio-key" || kind === "crates-token") return looksRandom(value, true);
  return !/(.)\1{9}/.test(value);
}

/**
 * Random enough to be a key: not a placeholder, letters and digits mixed, and enough different symbols. A bare value
 * must look harder, since `token = someFunctionName` and `secretKey: config.path.to.key` are code, not secrets.
 */
function looksRandom(value: string, isBare: boolean): boolean {
  if (placeholder.test(value)) return false;
  const digits = value.replace(/\D/g, "").length;
  const letters = value.replace(/[^A-Za-z]/g, "").length;
  if (digits < 2 || letters < 2) return false;
  if (/^[\d.,:_/-]+$|^https?:|^\/|^\.{0,2}\/|\\|\s/.test(value)) return false;
  // Names, paths and message keys: words and separators with at most a number at the end, or words between separators.
  if (/^[A-Za-z._/:-]*\d{0,4}$/.test(value)) return false;
  if (value.split(/[._/:-]/).every((part) => /^(?:[A-Z]?[a-z]*|[A-Z]+|\d{1,3})$/.test(part))) return false;
  if (isBare && /[A-Za-z_]\.[A-Za-z_]|\(/.test(value)) return false;
  const bits = entropyBits(value);
  return bits >= (isBare ? 3.3 : 3.0);
}

/** Shannon entropy of the characters, in bits each. Hexadecimal keys sit near 3.7, base64 ones near 4.8. */
function entropyBits(value: string): number {
  const counts = new Map<string, number>();
  for (const unit of value) counts.set(unit, (counts.get(unit) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / value.length) * Math.log2(count / value.length);
  return bits;
}

function replaceSpans(text: string, found: { start: number; end: number; kind: string }[]): Redacted {
  // Earlier first, longer first; a span inside one already taken is the same secret seen by a weaker rule.
  found.sort((a, b) => a.start - b.start || b.end - a.end);
  const redactions: Redaction[] = [];
  const pieces: string[] = [];
  let taken = 0;
  let line = 1;
  for (const { start: from, end, kind } of found) {
    if (end <= taken) continue;
    const start = Math.max(from, taken);
    const before = text.slice(taken, start);
    line += newlines(before);
    const hidden = text.slice(start, end);
    redactions.push({ line, kind });
    pieces.push(before, `[redacted:${kind}]`, "\n".repeat(newlines(hidden)));
    line += newlines(hidden);
    taken = end;
  }
  pieces.push(text.slice(taken));
  return { text: pieces.join(""), redactions };
}

function newlines(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count++;
  return count;
}
