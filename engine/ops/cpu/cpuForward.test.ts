import { describeForward } from "../../model/forward.cases.ts";
import { createCpuOps } from "./cpuOps.ts";

describeForward("forward on cpu", () => createCpuOps({ threads: 2 }));
