// out (+)= W x for one token, x = RMSNorm(h) with NORM: the norm's weight is multiplied in on the way and its scalar at the
// end, so that no dispatch has to make x first. With B and C, three weights stand on one another (q, k and v).
// MERGE: x is still in the partial sums of a split attention; every workgroup joins them in workgroup memory on the way in, and
// the first one writes them down for whoever reads the attended row. Saves the dispatch of merge.wgsl.
// Grid: teams of four rows, GROUPS teams a workgroup; A's first, then B's, then C's.
//#weight A 0 rows.wgsl
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>; // [cols]; MERGE: partials [splits, heads, D + 4]
//#if MERGE
@group(0) @binding(2) var<storage, read_write> merged: array<vec4<f32>>; // [cols]
//#else
@group(0) @binding(2) var<storage, read> norm: array<vec4<f32>>; // [cols]; unused without NORM
//#end
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
//#if B
//#weight B 4 rows.wgsl
//#weight C 5 rows.wgsl
//#end
//#include lanes.wgsl

struct Params {
  a: vec4<u32>,
  b: vec4<u32>,
  c: vec4<u32>,
  rowsA: u32,
  rowsB: u32,
  rowsC: u32,
  outAt: u32, // first word of out
  xAt: u32, // first quad of x
  add: u32, // 1: add to what out holds
  eps: f32,
  splits: u32, // MERGE
  headQuads: u32, // MERGE: D / 4
}
@group(1) @binding(0) var<uniform> p: Params;

//#if MERGE
var<workgroup> joined: array<vec4<f32>, CONST_QUADSu>; // cols / 4

fn mergePartials(thread: u32, isFirst: bool) {
  let rowQuads = p.headQuads + 1u;
  let stride = CONST_QUADSu / p.headQuads * rowQuads;
  for (var i = thread; i < CONST_QUADSu; i += LANES * GROUPS) {
    let head = i / p.headQuads;
    let stats = head * rowQuads + p.headQuads;
    var highest = -1e30;
    for (var s = 0u; s < p.splits; s++) {
      highest = max(highest, x[s * stride + stats].x);
    }
    var sum = vec4<f32>();
    var total = 0.0;
    for (var s = 0u; s < p.splits; s++) {
      let part = x[s * stride + stats];
      let weight = exp(part.x - highest);
      sum += weight * x[s * stride + head * rowQuads + i % p.headQuads];
      total += weight * part.y;
    }
    joined[i] = sum / total;
    if (isFirst) {
      merged[i] = joined[i];
    }
  }
  workgroupBarrier();
}
//#end

fn block8(block: u32, squares: ptr<function, f32>) -> array<vec4<f32>, 8> {
  var values: array<vec4<f32>, 8>;
  for (var i = 0u; i < 8u; i++) {
//#if MERGE
    let value = joined[8u * block + i];
//#else
    let value = x[p.xAt + 8u * block + i];
//#end
//#if NORM
    *squares += dot(value, value);
    values[i] = value * norm[8u * block + i];
//#else
    values[i] = value;
//#end
  }
  return values;
}

@compute @workgroup_size(LANES, GROUPS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) at: vec3<u32>) {
//#if MERGE
  mergePartials(at.y * LANES + at.x, group.x == 0u);
//#end
  var row = 4u * (group.x * GROUPS + at.y);
  var sums = vec4<f32>();
  var squares = 0.0;
  for (var block = at.x; block < p.a.x; block += LANES) {
    var values = block8(block, &squares);
//#if B
    let afterA = 4u * ((p.rowsA + 3u) / 4u);
    let afterB = afterA + 4u * ((p.rowsB + 3u) / 4u);
    if (row >= afterB) {
      sums += C_dots(p.c, row - afterB, p.rowsC - 1u, block, &values);
    } else if (row >= afterA) {
      sums += B_dots(p.b, row - afterA, p.rowsB - 1u, block, &values);
    } else {
      sums += A_dots(p.a, row, p.rowsA - 1u, block, &values);
    }
//#else
    sums += A_dots(p.a, row, p.rowsA - 1u, block, &values);
//#end
  }
  sums = sumLanes(sums, squares, at.x, at.y);
//#if NORM
  sums *= inverseSqrt(laneSquares[at.y * LANES] / f32(32u * p.a.x) + p.eps);
//#end

  if (at.x >= 4u) {
    return;
  }
  // Each weight's rows are rounded up to whole teams in the grid, and dense in out.
  var rows = p.rowsA;
  var to = p.outAt;
//#if B
  let teamsA = 4u * ((p.rowsA + 3u) / 4u);
  let teamsB = 4u * ((p.rowsB + 3u) / 4u);
  if (row >= teamsA + teamsB) {
    row -= teamsA + teamsB;
    rows = p.rowsC;
    to += p.rowsA + p.rowsB;
  } else if (row >= teamsA) {
    row -= teamsA;
    rows = p.rowsB;
    to += p.rowsA;
  }
//#end
  if (row + at.x < rows) {
    let index = to + row + at.x;
    let before = select(0.0, out[index], p.add == 1u);
    out[index] = before + sums[at.x];
  }
}
