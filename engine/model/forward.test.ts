import { createReferenceOps } from "../ops/reference/referenceOps.ts";
import { describeForward } from "./forward.cases.ts";

describeForward("forward on reference", async () => createReferenceOps());
