/**
 * The language between the recorder (TypeScript) and the kernels (AssemblyScript): both import this file, so it holds
 * nothing but integer constants and says which words each command carries.
 *
 * A program is a run of commands in shared memory, each a run of 32-bit words:
 *   [opcode, words in all, 1 when a barrier follows, claim counter (0), arguments from word 4 on].
 * Pointers are byte addresses, strides are bytes, sizes are elements. Every thread walks the same program.
 */

/** Words before a command's arguments. */
export const commandHeader = 4;

/** table*, layout, cols, tokens*, count, out*, outStride. */
export const opEmbed = 1;
/**
 * src*, srcStride, rows, cols, norm* (0: no norm), eps (f32), then where each activation format goes (0: not wanted):
 * f32*, wide*, narrow*, k*. One row is prepared by every thread for itself: record i of the destination is thread i's,
 * no barrier follows, and commands that read a single row of activations read their own thread's record.
 */
export const opPrepare = 2;
/** weight*, layout, rows, cols, act*, tokens, out*, outStride, accumulate, firstGroup, endGroup. */
export const opMatmul = 3;
/** gate*, gateLayout, up*, upLayout, rows, cols, gateAct*, upAct*, tokens, out*, outStride, firstGroup, endGroup. */
export const opGated = 4;
/** logits*, stride, tokens, experts, topK, routing*: see kernels/experts.ts. */
export const opRoute = 5;
/** As opGated, then: experts, gateBytes, upBytes (an expert), routing*, topK. `out` has tokens * topK rows, sorted by expert. */
export const opExpertGated = 6;
/** down*, layout, rows, cols, act*, tokens, out*, outStride, firstGroup, endGroup, experts, bytes an expert, routing*, topK. */
export const opExpertDown = 7;
/**
 * q*, k*, v*, tokens, heads, kvHeads, headDim, first cache row, rope* (0: none), pairs, norm (0 or 1), normEps (f32),
 * temperatures* (0: none; else one f32 a token), pages*.
 */
export const opAppend = 8;
/** q*, out*, tokens, heads, kvHeads, headDim, first cache row, scale (f32), pages*, partials*, splits (1: straight to out), firstItem, endItem. */
export const opAttend = 9;
/** out*, tokens, heads, kvHeads, headDim, partials*, splits. */
export const opMerge = 10;

// How a weight lies in memory: see kernels/repack.ts. 8 rows make a group; groups follow each other.
export const layoutF32 = 0;
export const layoutF16 = 1;
export const layoutBf16 = 2;
export const layoutInt8 = 3; // Q8_0
export const layoutCodebook = 4; // IQ4_NL, IQ4_XS
export const layoutNibble = 5; // Q4_0
export const layoutNibbleMin = 6; // Q4_1
export const layoutFiveMin = 7; // Q5_0, Q5_1
export const layoutMx = 8; // MXFP4
export const layoutQ4K = 9;
export const layoutQ5K = 10;
export const layoutQ6K = 11;

// Activation formats: see kernels/prepare.ts.
export const actF32 = 0;
export const actWide = 1;
export const actNarrow = 2;
export const actK = 3;

/** Rows a group of a packed weight interleaves. */
export const groupRows = 8;
/** Keys a page of the cache holds; also the key block of attention. */
export const pageKeys = 64;
/** Query rows (tokens times heads of one KV head) attention works on at once. */
export const queryRows = 16;

// Control block: byte addresses, one cache line each so that spinning threads do not disturb each other.
export const controlJob = 1024; // generation of the program slice to run
export const controlJobStart = 1028;
export const controlJobEnd = 1032;
export const controlExit = 1036;
export const controlArrived = 1088;
export const controlBarrier = 1152; // generation of the barrier
export const controlFailed = 1156; // thread + 1 of a thread that failed
export const controlSleepers = 1216;
export const controlScratch = 1220; // per-thread scratch: base address
export const controlScratchBytes = 1224; // … and bytes a thread
/** First byte the allocator may hand out. */
export const heapStart = 4096;
