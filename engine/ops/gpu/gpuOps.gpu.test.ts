import { describeForward } from "../../model/forward.cases.ts";
import { describeOps } from "../ops.cases.ts";
import { createGpuOps } from "./gpuOps.ts";
import { whyNoAdapter } from "./testAdapter.ts";

const skipped = await whyNoAdapter();
// The suites compare with Float64 to 2e-5: the cache must be f32.
describeOps("gpu", () => createGpuOps({ kvType: "f32" }), skipped);
describeForward("gpu", () => createGpuOps({ kvType: "f32" }), skipped);
