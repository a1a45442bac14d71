// The sorted pieces of embedding_sort.wgsl as one list: a pair's place in it is its place in its own piece and, for each other
// piece, the number of pairs there that come before it.

@group(0) @binding(2) var<storage, read> pairs: array<u32>;
@group(0) @binding(3) var<storage, read_write> sorted: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var at = id.x; at < elements(); at += groups.x * 64u) {
        let row = pairs[2u * at];
        let place = pairs[2u * at + 1u];
        var before = at % PIECE;
        for (var piece = 0u; piece * PIECE < elements(); piece++) {
            if (piece == at / PIECE) {
                continue;
            }
            // All below `low` come before, none from `high` on.
            var low = piece * PIECE;
            var high = min(low + PIECE, elements());
            while (low < high) {
                let middle = (low + high) / 2u;
                let other = pairs[2u * middle];
                if (other < row || (other == row && pairs[2u * middle + 1u] < place)) {
                    low = middle + 1u;
                } else {
                    high = middle;
                }
            }
            before += low - piece * PIECE;
        }
        sorted[2u * before] = row;
        sorted[2u * before + 1u] = place;
    }
}
