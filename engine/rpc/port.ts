/**
 * One end of a message channel between two processes, over `child_process.fork` IPC with `serialization: "advanced"`
 * (structured clone). A port closes once, with a sentence that says why, and stays closed.
 */
import type { ChildProcess } from "node:child_process";

export interface Port {
  /** Sends a plain value; silently drops it when the peer is gone (the close listener tells). */
  post(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Called once; at once when the port is already closed. */
  onClose(listener: (reason: string) => void): void;
}

/** "disconnect" may come before "exit", and only "exit" knows the reason: wait this long for it. */
const exitGraceMs = 500;

/** The parent's end: closes when the child exits, disconnects or could not be started. */
export function childPort(child: ChildProcess): Port {
  const { closed, close } = closing();
  child.once("exit", (code, signal) => {
    close(signal ? `the engine was ended by ${signal}` : `the engine exited with code ${code}`);
  });
  child.once("error", (error) => close(`the engine could not be started: ${error.message}`));
  child.once("disconnect", () => {
    setTimeout(() => close("the engine closed its channel"), exitGraceMs).unref();
  });
  return {
    post(message) {
      // The callback takes the error of a channel that closes under us, which would otherwise be thrown as an event.
      if (child.connected) child.send(message as object, () => {});
    },
    onMessage: (listener) => void child.on("message", (message: unknown) => listener(message)),
    onClose: closed,
  };
}

/** The forked child's end: closes when the parent disconnects. Throws when this process was not forked. */
export function parentPort(): Port {
  const send = process.send?.bind(process);
  if (!send) throw new Error("This process has no parent to talk to: it must be started by fork().");
  const { closed, close } = closing();
  process.once("disconnect", () => close("the parent disconnected"));
  return {
    post(message) {
      if (process.connected) send(message, undefined, undefined, () => {});
    },
    onMessage: (listener) => void process.on("message", (message: unknown) => listener(message)),
    onClose: closed,
  };
}

function closing() {
  let reason: string | null = null;
  const listeners: ((reason: string) => void)[] = [];
  return {
    closed(listener: (reason: string) => void): void {
      if (reason === null) listeners.push(listener);
      else listener(reason);
    },
    close(why: string): void {
      if (reason !== null) return;
      reason = why;
      for (const listener of listeners.splice(0)) listener(why);
    },
  };
}
