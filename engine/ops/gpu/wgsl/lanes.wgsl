// Matrix times vector: LANES invocations share four rows and take every LANES-th block of them, GROUPS such teams a workgroup.
// The team's sums meet in workgroup memory.
override LANES: u32 = 32u;
override GROUPS: u32 = 4u;
var<workgroup> laneSums: array<vec4<f32>, LANES * GROUPS>;
var<workgroup> laneSquares: array<f32, LANES * GROUPS>;

// Sums `value` and `squares` over the team; every lane gets both. All invocations of the workgroup must call it.
fn sumLanes(value: vec4<f32>, squares: f32, lane: u32, team: u32) -> vec4<f32> {
  let at = team * LANES + lane;
  workgroupBarrier();
  laneSums[at] = value;
  laneSquares[at] = squares;
  workgroupBarrier();
  for (var step = LANES / 2u; step > 0u; step >>= 1u) {
    if (lane < step) {
      laneSums[at] += laneSums[at + step];
      laneSquares[at] += laneSquares[at + step];
    }
    workgroupBarrier();
  }
  return laneSums[team * LANES];
}
