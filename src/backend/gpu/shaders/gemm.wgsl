// C = A · B in tiles: a workgroup computes 32 × 32 elements, an invocation 4 × 4 of them. Each sum runs from the first
// term to the last, whatever the tile. What A, B and C are, the file after this says: `rows`, `depth`, `columns`, `load_a`,
// `load_b`, `start` and `store`. A_ALONG and B_ALONG tell which way A and B lie in memory, so that neighbours read neighbours.

const TILE = 32u;
const DEPTH = 16u;

var<workgroup> a_tile: array<f32, 512>;
var<workgroup> b_tile: array<f32, 512>;

fn quad(column: u32) -> vec4<f32> {
    return vec4<f32>(start(column));
}

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) own: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let row = group.y * TILE + own.y * 4u;
    let column = group.x * TILE + own.x * 4u;
    // One a column, of four rows.
    var c0 = quad(column);
    var c1 = quad(column + 1u);
    var c2 = quad(column + 2u);
    var c3 = quad(column + 3u);
    for (var from_k = 0u; from_k < depth(); from_k += DEPTH) {
        for (var i = index; i < 512u; i += 64u) {
            // (place across the tile, place in depth)
            let a = select(vec2<u32>(i % TILE, i / TILE), vec2<u32>(i / DEPTH, i % DEPTH), A_ALONG);
            let b = select(vec2<u32>(i % TILE, i / TILE), vec2<u32>(i / DEPTH, i % DEPTH), B_ALONG);
            let a_row = group.y * TILE + a.x;
            let b_column = group.x * TILE + b.x;
            var x = 0.0f;
            if (a_row < rows() && from_k + a.y < depth()) {
                x = load_a(a_row, from_k + a.y);
            }
            a_tile[a.y * TILE + a.x] = x;
            x = 0.0f;
            if (b_column < columns() && from_k + b.y < depth()) {
                x = load_b(from_k + b.y, b_column);
            }
            b_tile[b.y * TILE + b.x] = x;
        }
        workgroupBarrier();
        for (var k = 0u; k < DEPTH; k++) {
            let i = k * TILE + own.y * 4u;
            let j = k * TILE + own.x * 4u;
            let a = vec4<f32>(a_tile[i], a_tile[i + 1u], a_tile[i + 2u], a_tile[i + 3u]);
            c0 += a * b_tile[j];
            c1 += a * b_tile[j + 1u];
            c2 += a * b_tile[j + 2u];
            c3 += a * b_tile[j + 3u];
        }
        workgroupBarrier();
    }
    if (row < rows()) {
        if (column < columns()) {
            store(row, column, c0);
        }
        if (column + 1u < columns()) {
            store(row, column + 1u, c1);
        }
        if (column + 2u < columns()) {
            store(row, column + 2u, c2);
        }
        if (column + 3u < columns()) {
            store(row, column + 3u, c3);
        }
    }
}
