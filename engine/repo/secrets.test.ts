import { describe, expect, test } from "vitest";
import { redactSecrets, secretFileReason } from "./secrets.ts";

// Secrets are made here from an alphabet and a seed, so that no file of ours holds anything that looks like one.
const lower = "abcdefghijklmnopqrstuvwxyz";
const upper = lower.toUpperCase();
const digits = "0123456789";
const alphanumeric = lower + upper + digits;
const hex = "0123456789abcdef";
const base64 = `${alphanumeric}+/`;
const urlSafe = `${alphanumeric}-_`;

function maker(seed: number): (alphabet: string, length: number) => string {
  let state = seed >>> 0;
  return (alphabet, length) => {
    let text = "";
    while (text.length < length) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      text += alphabet[(state >>> 8) % alphabet.length];
    }
    return text;
  };
}

interface Seeded {
  readonly kind: string;
  readonly secret: string;
}

function corpus(seed: number): Seeded[] {
  const make = maker(seed);
  const pem = Array.from({ length: 12 }, () => make(base64, 64)).join("\n");
  return [
    { kind: "private-key", secret: `-----BEGIN RSA ${"PRIVATE"} KEY-----\n${pem}\n-----END RSA ${"PRIVATE"} KEY-----` },
    {
      kind: "private-key",
      secret: `-----BEGIN ${"PRIVATE"} KEY-----\\n${make(base64, 400)}\\n-----END ${"PRIVATE"} KEY-----\\n`,
    },
    { kind: "aws-access-key-id", secret: `AKIA${make(`${upper}234567`, 16)}` },
    { kind: "assigned-secret", secret: make(base64, 40) }, // an AWS secret key under its usual name
    { kind: "github-token", secret: `ghp_${make(alphanumeric, 36)}` },
    { kind: "github-token", secret: `github_pat_${make(alphanumeric, 22)}_${make(alphanumeric, 59)}` },
    { kind: "gitlab-token", secret: `glpat-${make(urlSafe, 20)}` },
    { kind: "slack-token", secret: `xoxb-${make(digits, 12)}-${make(digits, 12)}-${make(alphanumeric, 24)}` },
    { kind: "slack-webhook", secret: `T${make(upper, 8)}/B${make(upper, 8)}/${make(alphanumeric, 24)}` },
    { kind: "discord-token", secret: `M${make(alphanumeric, 25)}.${make(alphanumeric, 6)}.${make(urlSafe, 30)}` },
    { kind: "stripe-key", secret: `sk_live_${make(alphanumeric, 24)}` },
    { kind: "google-api-key", secret: `AIza${make(alphanumeric, 35)}` },
    { kind: "google-oauth", secret: `GOCSPX-${make(alphanumeric, 28)}` },
    { kind: "npm-token", secret: `npm_${make(alphanumeric, 36)}` },
    { kind: "pypi-token", secret: `pypi-AgEIcHlwaS5vcmc${make(urlSafe, 60)}` },
    { kind: "openai-key", secret: `sk-${make(alphanumeric, 20)}T3BlbkFJ${make(alphanumeric, 20)}` },
    { kind: "anthropic-key", secret: `sk-ant-api03-${make(alphanumeric, 90)}AA` },
    { kind: "huggingface-token", secret: `hf_${make(lower + upper, 34)}` },
    { kind: "sendgrid-key", secret: `SG.${make(alphanumeric, 22)}.${make(alphanumeric, 43)}` },
    { kind: "mailgun-key", secret: `key-${make(hex, 32)}` },
    { kind: "telegram-token", secret: `${make("123456789", 9)}:AA${make(alphanumeric, 33)}` },
    { kind: "shopify-token", secret: `shpat_${make(hex, 32)}` },
    { kind: "digitalocean-token", secret: `dop_v1_${make(hex, 64)}` },
    { kind: "databricks-token", secret: `dapi${make(hex, 32)}` },
    { kind: "vault-token", secret: `hvs.${make(alphanumeric, 90)}` },
    { kind: "linear-key", secret: `lin_api_${make(alphanumeric, 40)}` },
    { kind: "newrelic-key", secret: `NRAK-${make(upper + digits, 27)}` },
    { kind: "docker-token", secret: `dckr_pat_${make(alphanumeric, 27)}` },
    { kind: "azure-key", secret: `${make(base64, 86)}==` },
    {
      kind: "json-web-token",
      secret: `eyJ${make(alphanumeric, 33)}.eyJ${make(alphanumeric, 60)}.${make(urlSafe, 42)}a`,
    },
    { kind: "url-password", secret: `${make(lower, 4)}9${make(alphanumeric, 12)}` },
    { kind: "authorization-header", secret: `a1${make(alphanumeric, 40)}` },
    { kind: "assigned-secret", secret: make(hex, 32) },
  ];
}

/** A realistic line around a secret; the kinds whose context is part of the shape have their own. */
function lineAround({ kind, secret }: Seeded, style: number): string {
  if (kind === "slack-webhook") return `curl -X POST https://hooks.slack.com/services/${secret}`;
  if (kind === "azure-key") return `AZURE_STORAGE="DefaultEndpointsProtocol=https;AccountName=a;AccountKey=${secret}"`;
  if (kind === "url-password") return `DATABASE_URL=postgres://app:${secret}@db.internal:5432/app`;
  if (kind === "authorization-header") return `  -H "Authorization: Bearer ${secret}" \\`;
  if (kind === "assigned-secret") {
    return [`AWS_SECRET_ACCESS_KEY=${secret}`, `  apiKey: "${secret}",`, `client_secret = '${secret}'`][
      style % 3
    ] as string;
  }
  return [`const value = "${secret}";`, `VALUE=${secret}`, `    value: ${secret}`][style % 3] as string;
}

function fileAround(seeded: Seeded, style: number): string {
  return `import { connect } from "./connect.ts";\n\n// Connects with the value below.\n${lineAround(seeded, style)}\nexport function run() {}\n`;
}

describe("a corpus of secrets in files", () => {
  const seeds = [1, 2, 3];
  const cases = seeds.flatMap((seed) =>
    corpus(seed).map((seeded, index) => ({ seeded, text: fileAround(seeded, seed + index) })),
  );

  test("holds at least sixty secrets of twenty kinds, and at least 95% are replaced", () => {
    expect(cases.length).toBeGreaterThanOrEqual(60);
    expect(new Set(cases.map(({ seeded }) => seeded.kind)).size).toBeGreaterThanOrEqual(20);
    const missed = cases.filter(({ seeded, text }) => {
      const { text: safe } = redactSecrets(text);
      // Any twelve characters in a row would be enough to search for the rest.
      for (let at = 0; at + 12 <= seeded.secret.length; at++) {
        const piece = seeded.secret.slice(at, at + 12);
        if (!piece.startsWith("-----") && !/^[-A-Z \\n]+$/.test(piece) && safe.includes(piece)) return true;
      }
      return false;
    });
    expect(
      missed.map(({ seeded }) => seeded.kind),
      `${missed.length} of ${cases.length}`,
    ).toEqual([]);
  });

  test("is reported by kind and line, and keeps every other line and the number of lines", () => {
    for (const { seeded, text } of cases) {
      const { text: safe, redactions } = redactSecrets(text);
      expect(
        redactions.map(({ line }) => line),
        seeded.kind,
      ).toEqual([4]);
      expect(safe.split("\n").length).toBe(text.split("\n").length);
      expect(safe.split("\n").slice(0, 3)).toEqual(text.split("\n").slice(0, 3));
      expect(safe).toContain("\nexport function run() {}\n");
    }
  });
});

describe("code that only talks about secrets stays", () => {
  const harmless = [
    'const token = await getToken(request.headers["authorization"]);',
    "password: process.env.DATABASE_PASSWORD,",
    'apiKey: "YOUR_API_KEY_HERE_1234567890",',
    'const passwordPlaceholder = "auth.login.form.password";',
    'tokenUrl: "https://login.example.com/oauth2/v2.0/token",',
    `secretAccessKey: ${"$"}{{ secrets.AWS_SECRET_ACCESS_KEY }}`,
    "postgres://user:password@localhost:5432/db",
    `postgres://${"$"}{user}:${"$"}{password}@${"$"}{host}/db`,
    "https://[::1]:8080/a@b",
    "AKIAIOSFODNN7EXAMPLE",
    'const keywords = ["token", "secret", "password", "credential"];',
    "passwordResetTokenExpirationMinutes: 30,",
    "token: tokens[tokens.length - 1],",
    "privateKey = fs.readFileSync('server.key')",
    "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
    "integrity sha512-Zx0gL1S1W3RyXyuwEw+4VtAqHHAnYDP1FsWbV0o6YyBzQkZP6yHZxg==",
    "commit 2fd2f88a41f3c2d0d8a5b0e9a7c6f4e3b2a1908d",
    "const uuid = '123e4567-e89b-12d3-a456-426614174000';",
    "accessKeyId: credentials.accessKeyId,",
    "type Token = 'identifier' | 'keyword' | 'punctuation2';",
  ];
  for (const line of harmless) {
    test(line.split("\n")[0] ?? "", () => {
      expect(redactSecrets(`${line}\n`)).toEqual({ text: `${line}\n`, redactions: [] });
    });
  }
});

test("two secrets on one line and overlapping findings are each replaced once", () => {
  const make = maker(9);
  const one = `ghp_${make(alphanumeric, 36)}`;
  const two = `npm_${make(alphanumeric, 36)}`;
  const { text, redactions } = redactSecrets(`a = "${one}", b = "${two}"\nauth_token = "${one}"\n`);
  expect(text).toBe(
    'a = "[redacted:github-token]", b = "[redacted:npm-token]"\nauth_token = "[redacted:github-token]"\n',
  );
  expect(redactions).toEqual([
    { line: 1, kind: "github-token" },
    { line: 1, kind: "npm-token" },
    { line: 2, kind: "github-token" },
  ]);
});

test("a private key cut short is replaced up to where it ends", () => {
  const make = maker(5);
  const body = [make(base64, 64), make(base64, 64), make(base64, 30)].join("\n");
  const { text } = redactSecrets(`x\n-----BEGIN EC ${"PRIVATE"} KEY-----\n${body}\nlet after = 1;\n`);
  expect(text).toBe("x\n[redacted:private-key]\n\n\n\nlet after = 1;\n");
});

test("files that hold secrets by their name are known, and their samples are not", () => {
  for (const path of [
    ".env",
    "a/.env.production",
    "id_rsa",
    "keys/server.pem",
    "x.p12",
    ".npmrc.key",
    ".netrc",
    "terraform.tfstate",
    "deploy/secrets.yaml",
    "service-account-prod.json",
    "prod.env",
  ]) {
    expect(secretFileReason(path), path).not.toBeNull();
  }
  for (const path of [
    ".env.example",
    ".env.sample",
    "id_rsa.pub",
    "src/env.ts",
    "environment.ts",
    "secrets.ts",
    "keys.ts",
    "credentials.md",
    "tokens.json",
  ]) {
    expect(secretFileReason(path), path).toBeNull();
  }
});

test("texts made to be searched slowly are searched at once", () => {
  const hostile = [
    `-----BEGIN ${"PRIVATE"} KEY-----\n`.repeat(30_000),
    "sk-".repeat(300_000),
    "eyJ-".repeat(200_000),
    `token = ${"a.b".repeat(200_000)}`,
    "password=aA.".repeat(80_000),
    `${"a".repeat(500_000)}://${"b:".repeat(100_000)}@`,
    `secret: x${" ".repeat(900_000)}`,
  ];
  const started = performance.now();
  for (const text of hostile) redactSecrets(text);
  expect(performance.now() - started).toBeLessThan(5000);
});
