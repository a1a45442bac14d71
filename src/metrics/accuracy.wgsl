// The accuracies of accuracy.rs for one row, by LANES invocations of which this is number `lane`. The files that need one of them get all.

// The first column that holds the largest prediction.
fn predicted_class(row: u32) -> f32 {
    var best = p[row * shape.columns];
    var place = 0u;
    for (var j = lane; j < shape.columns; j += LANES) {
        let entry = p[row * shape.columns + j];
        if (entry > best) {
            best = entry;
            place = j;
        }
    }
    return f32(place_of_largest(best, place));
}

fn wanted_class(from_row: u32) -> f32 {
    if (CLASS) {
        return number(from_row, 0u);
    }
    var best = number(from_row, 0u);
    var place = 0u;
    for (var j = lane; j < shape.columns; j += LANES) {
        let entry = number(from_row, j);
        if (entry > best) {
            best = entry;
            place = j;
        }
    }
    return f32(place_of_largest(best, place));
}

fn class_accuracy(row: u32, from_row: u32) -> f32 {
    return select(0.0f, 1.0f, predicted_class(row) == wanted_class(from_row));
}

fn accuracy(row: u32, from_row: u32) -> f32 {
    var hits = 0.0f;
    for (var j = lane; j < shape.columns; j += LANES) {
        hits += select(0.0f, 1.0f, number(from_row, j) == p[row * shape.columns + j]);
    }
    return joined(hits) * (1.0f / f32(shape.columns));
}

fn binary_accuracy(row: u32, from_row: u32, threshold: f32) -> f32 {
    var hits = 0.0f;
    for (var j = lane; j < shape.columns; j += LANES) {
        let guess = select(0.0f, 1.0f, p[row * shape.columns + j] > threshold);
        hits += select(0.0f, 1.0f, number(from_row, j) == guess);
    }
    return joined(hits) * (1.0f / f32(shape.columns));
}

// Ties count as hits; a class that is no column, or whose prediction is NaN, is below all others.
fn in_top_k(row: u32, from_row: u32, k: f32) -> f32 {
    let class_ = wanted_class(from_row);
    var at_class = -infinity();
    for (var j = lane; j < shape.columns; j += LANES) {
        let entry = p[row * shape.columns + j];
        at_class = select(at_class, entry, f32(j) == class_ && entry == entry);
    }
    at_class = largest(at_class);
    var better = 0.0f;
    for (var j = lane; j < shape.columns; j += LANES) {
        better += select(0.0f, 1.0f, p[row * shape.columns + j] > at_class);
    }
    return select(0.0f, 1.0f, joined(better) < k);
}

fn among_first(row: u32, from_row: u32, k: u32) -> f32 {
    let class_ = wanted_class(from_row);
    var hit = 0.0f;
    for (var j = lane; j < min(k, shape.columns); j += LANES) {
        hit = select(hit, 1.0f, p[row * shape.columns + j] == class_);
    }
    return largest(hit);
}
