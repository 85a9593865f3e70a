import { beforeAll, describe, expect, test } from "vitest";
import { describeOps } from "../ops.cases.ts";
import { buildKernels } from "./buildKernels.ts";
import { createCpuOps } from "./cpuOps.ts";

beforeAll(() => buildKernels(), 120_000);

describeOps("cpu, one thread", () => createCpuOps({ threads: 1 }));
describeOps("cpu, three threads", () => createCpuOps({ threads: 3 }));

describe("threads", () => {
  test("a number of threads that cannot be run is refused", async () => {
    await expect(createCpuOps({ threads: 0 })).rejects.toThrow("threads: 0, expected an integer from 1 to 64");
  });
});
