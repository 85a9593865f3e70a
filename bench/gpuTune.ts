/** Measures tile sizes and paths on this GPU and keeps them: `node bench/gpuTune.ts FILE.json`. */
import { measureTuning, writeTuning } from "../engine/ops/gpu/autotune.ts";
import { fail } from "../scripts/terminal.ts";

const path = process.argv[2] ?? fail("gpuTune: no file to write to");
const record = await measureTuning();
for (const { what, milliseconds } of record.trials) console.log(`${what}: ${milliseconds.toFixed(3)} ms`);
await writeTuning(path, record);
console.log(`${record.device}: ${JSON.stringify(record.tuning)}`);
