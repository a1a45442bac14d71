// The row of a table of `more.x` rows that each id names: fractions are cut off, ids below 0 count from the end, and one beyond
// the table is NOWHERE. The first of a net reads ids straight from the data set. `depth` are the ids of a sample.

@group(0) @binding(2) var<storage, read> ids: array<f32>;
@group(0) @binding(3) var<storage, read> order: array<u32>;

const NOWHERE = 0xffffffffu;

fn looked_up(at: u32) -> u32 {
    var place = at;
    if (GATHER) {
        place = order[now.first + at / shape.depth] * shape.depth + at % shape.depth;
    }
    let end = f32(shape.more.x);
    var id = trunc(ids[place]);
    id = select(id, id + end, id < 0.0f);
    if (id >= 0.0f && id < end) {
        return u32(id);
    }
    return NOWHERE;
}
