/**
 * A process that serves one engine to the parent that forked it: greets, serves, and ends with its parent, on SIGTERM,
 * or when asked. Standard error is its log. Exit codes: 0 asked to end, 1 a bug, 2 not started by us.
 */
import type { EngineApi } from "../api.ts";
import { tokenVariable } from "./contract.ts";
import { parentPort } from "./port.ts";
import { serveEngine } from "./server.ts";

/** The engine gets this long to put things away; then the process ends all the same. */
const farewellMs = 1_500;

/** Runs until the process ends. Call once, first thing, in a process made by `fork`. */
export function runSidecar(createEngine: () => EngineApi): void {
  const token = process.env[tokenVariable];
  // Children of ours have no business with it.
  delete process.env[tokenVariable];
  if (!process.send || !token) {
    process.stderr.write(
      "This is the engine of the Outrider extension, which starts it. Try the `outrider` command.\n",
    );
    process.exit(2);
  }
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error: unknown) => {
      log(error instanceof Error ? (error.stack ?? error.message) : String(error));
      process.exit(1);
    });
  }

  const engine = createEngine();
  let ending = false;
  const end = async (): Promise<void> => {
    if (ending) return;
    ending = true;
    setTimeout(() => process.exit(0), farewellMs).unref();
    await engine.shutdown();
    process.exit(0);
  };
  process.on("SIGTERM", () => void end());
  // Ctrl-C in a terminal reaches the whole process group; our parent decides when we end.
  process.on("SIGINT", () => {});

  const port = parentPort();
  port.onClose(() => void end());
  serveEngine(engine, port, {
    token,
    log,
    onStranger: () => {
      log("the first message did not carry this launch's token");
      process.exit(2);
    },
    onShutdown: () => process.exit(0),
  });
}

function log(line: string): void {
  process.stderr.write(`${line}\n`);
}
