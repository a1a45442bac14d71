// The accuracies of accuracy.rs for one row. The files that need one of them get all.

// The first column that holds the largest prediction.
fn predicted_class(row: u32) -> f32 {
    var best = p[row * shape.columns];
    var place = 0u;
    for (var j = 1u; j < shape.columns; j++) {
        let entry = p[row * shape.columns + j];
        if (entry > best) {
            best = entry;
            place = j;
        }
    }
    return f32(place);
}

fn wanted_class(from_row: u32) -> f32 {
    if (CLASS) {
        return number(from_row, 0u);
    }
    var best = number(from_row, 0u);
    var place = 0u;
    for (var j = 1u; j < shape.columns; j++) {
        let entry = number(from_row, j);
        if (entry > best) {
            best = entry;
            place = j;
        }
    }
    return f32(place);
}

fn class_accuracy(row: u32, from_row: u32) -> f32 {
    return select(0.0f, 1.0f, predicted_class(row) == wanted_class(from_row));
}

fn accuracy(row: u32, from_row: u32) -> f32 {
    var hits = 0.0f;
    for (var j = 0u; j < shape.columns; j++) {
        hits += select(0.0f, 1.0f, number(from_row, j) == p[row * shape.columns + j]);
    }
    return hits * (1.0f / f32(shape.columns));
}

fn binary_accuracy(row: u32, from_row: u32, threshold: f32) -> f32 {
    var hits = 0.0f;
    for (var j = 0u; j < shape.columns; j++) {
        let guess = select(0.0f, 1.0f, p[row * shape.columns + j] > threshold);
        hits += select(0.0f, 1.0f, number(from_row, j) == guess);
    }
    return hits * (1.0f / f32(shape.columns));
}

// Ties count as hits; a class that is no column, or whose prediction is NaN, is below all others.
fn in_top_k(row: u32, from_row: u32, k: f32) -> f32 {
    let class_ = wanted_class(from_row);
    var at_class = -infinity();
    for (var j = 0u; j < shape.columns; j++) {
        let entry = p[row * shape.columns + j];
        at_class = select(at_class, entry, f32(j) == class_ && entry == entry);
    }
    var better = 0.0f;
    for (var j = 0u; j < shape.columns; j++) {
        better += select(0.0f, 1.0f, p[row * shape.columns + j] > at_class);
    }
    return select(0.0f, 1.0f, better < k);
}

fn among_first(row: u32, from_row: u32, k: u32) -> f32 {
    let class_ = wanted_class(from_row);
    var hit = 0.0f;
    for (var j = 0u; j < min(k, shape.columns); j++) {
        hit = select(hit, 1.0f, p[row * shape.columns + j] == class_);
    }
    return hit;
}
