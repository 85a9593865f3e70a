/** `npm run test:gpu`: every kernel against the Float64 reference, on this machine's adapter. */
import { finish } from "./tally.ts";
import { runTests } from "./vitestProject.ts";

finish(await runTests("gpu"));
