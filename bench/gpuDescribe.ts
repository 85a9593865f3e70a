/** One line about the GPU, or why there is none. */
import { describeGpu } from "../engine/ops/gpu/gpuOps.ts";

const { available, detail } = await describeGpu();
console.log(detail);
if (!available) process.exitCode = 1;
