// C = A · B in tiles. A workgroup computes TILE_ROWS × TILE_COLUMNS elements, TILE_DEPTH terms at a time through workgroup memory;
// an invocation holds blocks of 4 × 4 of them in registers, and has the next terms on their way while it multiplies these.
// Each sum has one accumulator and runs from `start` and the first term to the last, whatever the tile: the bits are the same.
//
// What A, B and C are, the file before this says: `rows`, `depth`, `columns`, `start`, `store`, and of each side either
// `line` and `at` (a line of memory runs along the depth) or `across` (it runs along the rows of C, or its columns). The lines
// in capitals are written by wgsl/gemm.rs, once a block or once a term.

const A_QUADS = TILE_ROWS / 4u;
const B_QUADS = TILE_COLUMNS / 4u;
// A quad more than there are: what neighbours write, and what they read, lies in different banks.
const A_STRIDE = A_QUADS + 1u;
const B_STRIDE = B_QUADS + 1u;

var<workgroup> a_tile: array<vec4<f32>, A_SIZE>;
var<workgroup> b_tile: array<vec4<f32>, B_SIZE>;

@compute @workgroup_size(GROUP_COLUMNS, GROUP_ROWS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) own: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let first_row = (group.y + group.z * MAX_GROUPS) * TILE_ROWS;
    let first_column = group.x * TILE_COLUMNS;
    if (first_row >= rows()) {
        return;
    }
    let last_k = depth() - 1u;
PLACES
STARTS
BRING_FIRST
    for (var from_k = 0u; from_k < depth(); from_k += TILE_DEPTH) {
PUT
        workgroupBarrier();
        let next_k = from_k + TILE_DEPTH;
        if (next_k < depth()) {
BRING_NEXT
        }
        for (var k = 0u; k < TILE_DEPTH; k += 4u) {
MULTIPLY
        }
        workgroupBarrier();
    }
STORES
}
