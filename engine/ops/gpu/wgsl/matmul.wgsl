// out[m, n] (+)= scale[m] Σ_k x[m, k] W[n, k], tiles of 4 TY rows by 64 columns, each invocation 4 by 4 of them.
// GROUPED: rows are tokens sorted by expert; a table made by route.wgsl says which rows and which expert a tile has.
//#weight A 0
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>; // [M, K]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [M, outCols]
//#if GROUPED
@group(0) @binding(3) var<storage, read> routing: array<u32>; // order [slots], gates [slots], tiles [?, 4]
//#end

struct Params {
  planes: vec4<u32>,
  rows: u32, // rows of the weight in this segment (of one expert)
  outColumn: u32, // column of out that row 0 of the segment makes
  outCols: u32,
  outAt: u32, // first word of out
  xQuads: u32, // quads a row of x
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
var<workgroup> xTile: array<vec4<f32>, 32u * TY>; // [8 quads of k, 4 TY rows]
var<workgroup> wTile: array<vec4<f32>, 512>; // [8 quads of k, 64 columns]
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
    for (var i = thread; i < 256u; i += threads) {
      let column = i >> 2u;
      let row = weightRow + min(firstColumn + column, p.rows - 1u);
      let values = A_eight(p.planes, row, block, i & 3u, A_scales(p.planes, row, block));
      wTile[(i & 3u) * 2u * tileColumns + column] = values[0];
      wTile[((i & 3u) * 2u + 1u) * tileColumns + column] = values[1];
    }
    for (var i = thread; i < 8u * tileRows; i += threads) {
      xTile[(i & 7u) * tileRows + (i >> 3u)] = x[xRows[i >> 3u] * p.xQuads + 8u * block + (i & 7u)];
    }
    workgroupBarrier();
    for (var quad = 0u; quad < 8u; quad++) {
      let w0 = wTile[quad * tileColumns + at.x];
      let w1 = wTile[quad * tileColumns + at.x + 16u];
      let w2 = wTile[quad * tileColumns + at.x + 32u];
      let w3 = wTile[quad * tileColumns + at.x + 48u];
      for (var i = 0u; i < 4u; i++) {
        let v = xTile[quad * tileRows + 4u * at.y + i];
        sums[i] += vec4<f32>(dot(v, w0), dot(v, w1), dot(v, w2), dot(v, w3));
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
