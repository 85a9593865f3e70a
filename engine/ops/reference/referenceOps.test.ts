import { expect, test } from "vitest";
import type { GgmlType } from "../../formats/ggmlType.ts";
import type { TensorSource } from "../../formats/tensorSource.ts";
import { createReferenceOps } from "./referenceOps.ts";

/** The oracle itself is tested only with weights whose answer can be done in the head. */
const matrix = (
  name: string,
  shape: readonly number[],
  values: readonly number[],
  type: GgmlType = "F32",
): TensorSource => {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  return {
    name,
    type,
    shape,
    byteLength: bytes.length,
    async read(target, offset) {
      target.set(bytes.subarray(offset, offset + target.length));
    },
  };
};
const identity = (n: number, scale = 1): number[] =>
  Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? scale : 0));
const silu = (x: number): number => x / (1 + Math.exp(-x));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

test("identity experts: the router's sigmoid scales the expert's input, the shared expert sees the input itself", async () => {
  const ops = createReferenceOps();
  const h = ops.createTensor(1, 2);
  ops.embed(h, await ops.upload(matrix("table", [2, 1], [3, 3])), Uint32Array.of(0));
  const eye = async (count: number, scale: number) =>
    ops.upload(matrix("eye", [2, 2, count], Array.from({ length: count }, () => identity(2, scale)).flat()));
  // RMS of [3, 3] is 3, so y = [1, 1]; router logits are [0, 2]: expert 1 with g = sigmoid(2).
  ops.mixtureOfExperts(
    h,
    {
      norm: await ops.upload(matrix("norm", [2], [1, 1])),
      router: await ops.upload(matrix("router", [2, 2], [0, 0, 1, 1])),
      experts: { gate: await eye(2, 1), up: await eye(2, 1), down: await eye(2, 1) },
      shared: { gate: await eye(1, 1), up: await eye(1, 1), down: await eye(1, 1) },
      topK: 1,
    },
    1e-12,
    { tokens: 1, start: 0, chunkStart: 0 },
  );
  const g = sigmoid(2);
  const expected = 3 + silu(1) * 1 + silu(g) * g;
  const [seen] = await ops.read(h, 1);
  expect(seen).toBeCloseTo(expected, 5);
});

test("attention with one-hot keys returns the value of the key the query points at", async () => {
  const ops = createReferenceOps();
  const shape = {
    heads: 1,
    kvHeads: 1,
    headDim: 4,
    normEps: 1e-12,
    scale: 100,
    chunked: false,
    rope: null,
    qkNormEps: null,
    temperature: null,
  };
  const weights = {
    norm: await ops.upload(matrix("norm", [4], [1, 1, 1, 1])),
    q: await ops.upload(matrix("q", [4, 4], identity(4))),
    k: await ops.upload(matrix("k", [4, 4], identity(4))),
    v: await ops.upload(matrix("v", [4, 4], identity(4, 10))),
    output: await ops.upload(matrix("o", [4, 4], identity(4))),
  };
  const h = ops.createTensor(3, 4);
  ops.embed(h, await ops.upload(matrix("table", [4, 2], [1, 0, 0, 0, 0, 1, 0, 0])), Uint32Array.of(0, 1, 0));
  const [q, out, kv] = [ops.createTensor(3, 4), ops.createTensor(3, 4), ops.createKv(1, 4, null)];
  const batch = { tokens: 3, start: 0, chunkStart: 0 };
  ops.projectQkv(q, kv, h, weights, shape, batch);
  ops.attend(out, q, kv, shape, batch);
  const rows = await ops.read(out, 3);
  // A one-hot of width 4 normalises to 2; values are ten times that. Rows 0 and 2 share a token and find each other.
  expect(Array.from(rows, (x) => Math.round(x))).toEqual([20, 0, 0, 0, 0, 20, 0, 0, 20, 0, 0, 0]);
});

test("rotation turns each interleaved pair and leaves elements past the table alone", async () => {
  const ops = createReferenceOps();
  const quarterTurns = Float32Array.from([1, 0, 0, 1, -1, 0]); // 0°, 90°, 180° for one pair
  const shape = {
    heads: 1,
    kvHeads: 1,
    headDim: 4,
    normEps: 1e-12,
    scale: 1,
    chunked: false,
    rope: ops.createRopeTable(quarterTurns, 3, 1),
    qkNormEps: null,
    temperature: null,
  };
  const eye = await ops.upload(matrix("eye", [4, 4], identity(4)));
  const weights = { norm: await ops.upload(matrix("norm", [4], [1, 1, 1, 1])), q: eye, k: eye, v: eye, output: eye };
  const h = ops.createTensor(2, 4);
  ops.embed(h, await ops.upload(matrix("table", [4, 1], [1, 0, 1, 0])), Uint32Array.of(0, 0));
  const q = ops.createTensor(2, 4);
  ops.projectQkv(q, ops.createKv(1, 4, null), h, weights, shape, { tokens: 2, start: 0, chunkStart: 0 });
  const root2 = Math.SQRT2;
  expect(Array.from(await ops.read(q, 2), (x) => Number(x.toFixed(5)))).toEqual(
    [root2, 0, root2, 0, 0, root2, root2, 0].map((x) => Number(x.toFixed(5))),
  );
});

test("temperature uses position + 1: the last token of a floor already has the next step", async () => {
  const ops = createReferenceOps();
  const shape = {
    heads: 1,
    kvHeads: 1,
    headDim: 2,
    normEps: 1e-12,
    scale: 1,
    chunked: false,
    rope: null,
    qkNormEps: null,
    temperature: { floor: 4, scale: 0.1 },
  };
  const eye = await ops.upload(matrix("eye", [2, 2], identity(2)));
  const weights = { norm: await ops.upload(matrix("norm", [2], [1, 1])), q: eye, k: eye, v: eye, output: eye };
  const h = ops.createTensor(2, 2);
  ops.embed(h, await ops.upload(matrix("table", [2, 1], [1, 1])), Uint32Array.of(0, 0));
  const q = ops.createTensor(2, 2);
  ops.projectQkv(q, ops.createKv(1, 2, null), h, weights, shape, { tokens: 2, start: 2, chunkStart: 2 });
  const rows = await ops.read(q, 2);
  expect(rows[0]).toBeCloseTo(1, 6);
  expect(rows[2]).toBeCloseTo(1 + 0.1 * Math.log(2), 6);
});
