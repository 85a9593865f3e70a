enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
requires subgroup_id;
// out[m, n] (+)= scale[m] Σ_k x[m, k] W[n, k] on the device's matrix units: tiles of 64 rows by 64 columns, four subgroups of 32
// rows by 32 columns each, fragments of CONST_M by CONST_N by CONST_K in f16 with f32 sums.
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

const tileRows = 64u;
const tileColumns = 64u;
const stride = 40u; // halves a row of a tile: 32 and padding, so that rows start in different banks
alias Left = subgroup_matrix_left<f16, CONST_K, CONST_M>;
alias Right = subgroup_matrix_right<f16, CONST_N, CONST_K>;
alias Sum = subgroup_matrix_result<f32, CONST_N, CONST_M>;
const rowParts = 32u / CONST_Mu;
const columnParts = 32u / CONST_Nu;
var<workgroup> xTile: array<f16, tileRows * stride>; // [64 rows, 32 of k]
var<workgroup> wTile: array<f16, tileColumns * stride>; // [64 columns, 32 of k]
var<workgroup> fragments: array<f32, 4u * CONST_Mu * CONST_Nu>; // one of each subgroup, on its way out
var<workgroup> xRows: array<u32, tileRows>;
var<workgroup> outRows: array<u32, tileRows>;
var<workgroup> rowScales: array<f32, tileRows>;

@compute @workgroup_size(128)
fn main(
  @builtin(workgroup_id) tile: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
  @builtin(subgroup_id) subgroup: u32,
) {
  let threads = 128u;
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

  // Which quarter of the tile this subgroup makes. Subgroups of 32 are asked for when this kernel is chosen.
  let rowBase = 32u * (subgroup / 2u);
  let columnBase = 32u * (subgroup % 2u);
  var sums: array<array<Sum, columnParts>, rowParts>;
  for (var block = 0u; block < p.planes.x; block++) {
    for (var i = thread; i < 256u; i += threads) {
      let row = weightRow + min(firstColumn + (i >> 2u), p.rows - 1u);
      let values = A_eight(p.planes, row, block, i & 3u, A_scales(p.planes, row, block));
      let to = (i >> 2u) * stride + 8u * (i & 3u);
      for (var j = 0u; j < 4u; j++) {
        wTile[to + j] = f16(values[0][j]);
        wTile[to + 4u + j] = f16(values[1][j]);
      }
    }
    for (var i = thread; i < 8u * tileRows; i += threads) {
      let value = x[xRows[i >> 3u] * p.xQuads + 8u * block + (i & 7u)];
      let to = (i >> 3u) * stride + 4u * (i & 7u);
      for (var j = 0u; j < 4u; j++) {
        xTile[to + j] = f16(value[j]);
      }
    }
    workgroupBarrier();
    for (var k = 0u; k < 32u; k += CONST_Ku) {
      for (var i = 0u; i < rowParts; i++) {
        let left = subgroupMatrixLoad<Left, row_major>(&xTile, (rowBase + i * CONST_Mu) * stride + k, stride);
        for (var j = 0u; j < columnParts; j++) {
          let right = subgroupMatrixLoad<Right, col_major>(&wTile, (columnBase + j * CONST_Nu) * stride + k, stride);
          sums[i][j] = subgroupMatrixMultiplyAccumulate(left, right, sums[i][j]);
        }
      }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < rowParts; i++) {
    for (var j = 0u; j < columnParts; j++) {
      subgroupMatrixStore<row_major>(&fragments, subgroup * CONST_Mu * CONST_Nu, sums[i][j], CONST_Nu);
      workgroupBarrier();
      for (var e = thread; e < 4u * CONST_Mu * CONST_Nu; e += threads) {
        let owner = e / (CONST_Mu * CONST_Nu);
        let inside = e % (CONST_Mu * CONST_Nu);
        let row = 32u * (owner / 2u) + i * CONST_Mu + inside / CONST_Nu;
        let column = firstColumn + 32u * (owner % 2u) + j * CONST_Nu + inside % CONST_Nu;
        if (row < count && column < p.rows) {
          let to = p.outAt + outRows[row] * p.outCols + p.outColumn + column;
          let before = select(0.0, out[to], p.add == 1u);
          out[to] = before + fragments[e] * rowScales[row];
        }
      }
      workgroupBarrier();
    }
  }
}
