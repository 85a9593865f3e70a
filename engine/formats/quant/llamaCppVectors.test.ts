import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { dequantisationBlocks, type QuantVectors, sha256OfFloats } from "../../../bench/quantVectors.ts";
import { dequantise } from "./dequantise.ts";

// Written by `npm run parity -- --write-vectors`, of this type.
const vectors = JSON.parse(readFileSync(new URL("./vectors/quants.json", import.meta.url), "utf8")) as QuantVectors;

test.each(vectors.types)("$type dequantises to llama.cpp's values, bit for bit", ({ type, sha256, head }) => {
  const values = new Float32Array(vectors.elements);
  dequantise(type, dequantisationBlocks(type, vectors.elements, vectors.seed), values);
  expect(Array.from(values.subarray(0, head.length), (value) => value + 0)).toEqual(head);
  expect(sha256OfFloats(values)).toBe(sha256);
});
