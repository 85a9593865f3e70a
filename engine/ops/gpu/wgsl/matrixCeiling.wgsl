enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
requires subgroup_id;
// Matrix multiply-accumulates in registers, four independent sums a subgroup: what the matrix units give.
alias Left = subgroup_matrix_left<f16, CONST_K, CONST_M>;
alias Right = subgroup_matrix_right<f16, CONST_N, CONST_K>;
alias Sum = subgroup_matrix_result<f32, CONST_N, CONST_M>;
@group(0) @binding(0) var<storage, read_write> out: array<f32>;

struct Params {
  rounds: u32, // 4 products a round and subgroup
}
@group(1) @binding(0) var<uniform> p: Params;

var<workgroup> fragments: array<f32, 4u * CONST_Mu * CONST_Nu>;

@compute @workgroup_size(128)
fn main(@builtin(subgroup_id) subgroup: u32, @builtin(local_invocation_index) thread: u32) {
  let left = Left(f16(0.5));
  let right = Right(f16(0.25));
  var sums: array<Sum, 4>;
  for (var i = 0u; i < p.rounds; i++) {
    for (var j = 0u; j < 4u; j++) {
      sums[j] = subgroupMatrixMultiplyAccumulate(left, right, sums[j]);
    }
  }
  for (var j = 0u; j < 4u; j++) {
    subgroupMatrixStore<row_major>(&fragments, subgroup * CONST_Mu * CONST_Nu, sums[j], CONST_Nu);
  }
  workgroupBarrier();
  out[thread] = fragments[thread];
}
