// The rows that the ids of a batch name, sorted in pieces of PIECE: pairs of a row and the id's place in the batch, by row and
// then by place. A workgroup sorts a piece in its memory (a bitonic network); what fills up the last piece sorts last.

@group(0) @binding(4) var<storage, read_write> pairs: array<u32>;

var<workgroup> row_of: array<u32, PIECE>;
var<workgroup> place_of: array<u32, PIECE>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    for (var piece = group.x; piece * PIECE < elements(); piece += groups.x) {
        let count = min(PIECE, elements() - piece * PIECE);
        for (var i = index; i < PIECE; i += 256u) {
            row_of[i] = NOWHERE;
            if (i < count) {
                row_of[i] = looked_up(piece * PIECE + i);
            }
            place_of[i] = piece * PIECE + i;
        }
        for (var size = 2u; size < 2u * count; size *= 2u) {
            for (var apart = size / 2u; apart > 0u; apart /= 2u) {
                workgroupBarrier();
                for (var i = index; i < PIECE / 2u; i += 256u) {
                    let low = i / apart * 2u * apart + i % apart;
                    let high = low + apart;
                    let a = row_of[low];
                    let b = row_of[high];
                    let first = place_of[low];
                    let second = place_of[high];
                    let after = a > b || (a == b && first > second);
                    if (after == ((low & size) == 0u)) {
                        row_of[low] = b;
                        row_of[high] = a;
                        place_of[low] = second;
                        place_of[high] = first;
                    }
                }
            }
        }
        workgroupBarrier();
        for (var i = index; i < count; i += 256u) {
            pairs[2u * (piece * PIECE + i)] = row_of[i];
            pairs[2u * (piece * PIECE + i) + 1u] = place_of[i];
        }
        workgroupBarrier();
    }
}
