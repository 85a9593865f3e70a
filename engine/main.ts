/** The forked process of the extension. */
import { createEngine } from "./engine.ts";
import { runSidecar } from "./rpc/sidecar.ts";

runSidecar(createEngine);
