// out[m, n] (+)= scale[m] Σ_k x[m, k] W[n, k] with x quantised by quantiseRows.wgsl: four products an instruction, in tiles of
// 4 TY rows by 64 columns, each invocation 4 by 4 of them. W = scale q + offset, so a block adds
// xScale Σ_half scale[half] Σ q qx + offset[half] Σ x. Only for integer weight types.
// GROUPED: rows are tokens sorted by expert; a table made by route.wgsl says which rows and which expert a tile has.
//#weight A 0
@group(0) @binding(1) var<storage, read> x: array<vec4<u32>>; // [M, K / 32, 2] signed bytes
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [M, outCols]
//#if GROUPED
@group(0) @binding(4) var<storage, read> stats: array<vec4<f32>>; // [M, K / 32]: scale, sums of both halves
@group(0) @binding(3) var<storage, read> routing: array<u32>; // order [slots], gates [slots], tiles [?, 4]
//#else
@group(0) @binding(3) var<storage, read> stats: array<vec4<f32>>; // [M, K / 32]: scale, sums of both halves
//#end

struct Params {
  planes: vec4<u32>,
  rows: u32, // rows of the weight in this segment (of one expert)
  outColumn: u32, // column of out that row 0 of the segment makes
  outCols: u32,
  outAt: u32, // first word of out
  unused: u32,
  tokens: u32, // M
  add: u32, // 1: add to what out holds
  slots: u32, // GROUPED: rows of the order
  firstExpert: u32, // GROUPED: experts of this segment
  experts: u32,
  topK: u32,
  gather: u32, // GROUPED: 1 for x in token order and out sorted, 0 for the reverse
}
@group(1) @binding(0) var<uniform> p: Params;

override TY: u32 = 16u;
const tileColumns = 64u;
var<workgroup> xTile: array<vec4<u32>, 8u * TY>; // [2 halves, 4 TY rows]
var<workgroup> xStats: array<vec4<f32>, 4u * TY>;
var<workgroup> wTile: array<vec4<u32>, 128>; // [2 halves, 64 columns]
var<workgroup> wScales: array<vec4<f32>, 64>;
var<workgroup> xRows: array<u32, 4u * TY>;
var<workgroup> outRows: array<u32, 4u * TY>;
var<workgroup> rowScales: array<f32, 4u * TY>;

@compute @workgroup_size(16, TY)
fn main(
  @builtin(workgroup_id) tile: vec3<u32>,
  @builtin(local_invocation_id) at: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let tileRows = 4u * TY;
  let threads = 16u * TY;
  let firstColumn = tile.x * tileColumns;
//#if GROUPED
  let entry = 2u * p.slots + 4u * tile.y;
  let expert = routing[entry];
  let start = routing[entry + 1u];
  let count = routing[entry + 2u];
  // The whole workgroup leaves together: an unused tile, or an expert of another segment.
  if (count == 0u || expert < p.firstExpert || expert >= p.firstExpert + p.experts) {
    return;
  }
  let weightRow = (expert - p.firstExpert) * p.rows;
  if (thread < tileRows) {
    let sorted = start + min(thread, count - 1u);
    let slot = routing[sorted];
    xRows[thread] = select(sorted, slot / p.topK, p.gather == 1u);
    outRows[thread] = select(slot, sorted, p.gather == 1u);
    rowScales[thread] = select(1.0, bitcast<f32>(routing[p.slots + slot]), p.gather == 1u);
  }
//#else
  let count = min(tileRows, p.tokens - tile.y * tileRows);
  let weightRow = 0u;
  if (thread < tileRows) {
    xRows[thread] = tile.y * tileRows + min(thread, count - 1u);
    outRows[thread] = xRows[thread];
    rowScales[thread] = 1.0;
  }
//#end
  workgroupBarrier();

  var sums: array<vec4<f32>, 4>; // [row][column]
  for (var block = 0u; block < p.planes.x; block++) {
    for (var i = thread; i < 128u; i += threads) {
      let row = weightRow + min(firstColumn + (i >> 1u), p.rows - 1u);
      let half = i & 1u;
      wTile[half * tileColumns + (i >> 1u)] =
        vec4<u32>(A_pair(p.planes, row, block, 2u * half), A_pair(p.planes, row, block, 2u * half + 1u));
      if (half == 0u) {
        wScales[i >> 1u] = A_scales(p.planes, row, block);
      }
    }
    for (var i = thread; i < 2u * tileRows; i += threads) {
      let source = xRows[i >> 1u] * p.planes.x + block;
      xTile[(i & 1u) * tileRows + (i >> 1u)] = x[2u * source + (i & 1u)];
      if ((i & 1u) == 0u) {
        xStats[i >> 1u] = stats[source];
      }
    }
    workgroupBarrier();
    for (var i = 0u; i < 4u; i++) {
      let row = 4u * at.y + i;
      let x0 = xTile[row];
      let x1 = xTile[tileRows + row];
      let s = xStats[row];
      for (var j = 0u; j < 4u; j++) {
        let column = at.x + 16u * j;
        let w0 = wTile[column];
        let w1 = wTile[tileColumns + column];
        let scales = wScales[column];
        let first = dot4I8Packed(w0.x, x0.x) + dot4I8Packed(w0.y, x0.y) + dot4I8Packed(w0.z, x0.z) + dot4I8Packed(w0.w, x0.w);
        let second = dot4I8Packed(w1.x, x1.x) + dot4I8Packed(w1.y, x1.y) + dot4I8Packed(w1.z, x1.z) + dot4I8Packed(w1.w, x1.w);
        sums[i][j] += s.x * (scales.x * f32(first) + scales.y * f32(second)) + dot(scales.zw, s.yz);
      }
    }
    workgroupBarrier();
  }

  for (var i = 0u; i < 4u; i++) {
    let row = 4u * at.y + i;
    for (var j = 0u; j < 4u; j++) {
      let column = firstColumn + at.x + 16u * j;
      if (row < count && column < p.rows) {
        let to = p.outAt + outRows[row] * p.outCols + p.outColumn + column;
        let before = select(0.0, out[to], p.add == 1u);
        out[to] = before + sums[i][j] * rowScales[row];
      }
    }
  }
}
