// The functions of rowwise.rs for one row, by LANES invocations of which this is number `lane`: x from `from_x` on, y and dy from `from_y` on, n columns of y.

fn softmax_value(from_x: u32, from_y: u32, n: u32) {
    var max = x[from_x];
    for (var j = lane; j < n; j += LANES) {
        max = larger(max, x[from_x + j]);
    }
    max = largest(max);
    var sum = 0.0f;
    for (var j = lane; j < n; j += LANES) {
        let e = exp_of(x[from_x + j] - max);
        y[from_y + j] = e;
        sum += e;
    }
    let scale = 1.0f / joined(sum);
    for (var j = lane; j < n; j += LANES) {
        y[from_y + j] *= scale;
    }
}

fn log_softmax_value(from_x: u32, from_y: u32, n: u32) {
    var max = x[from_x];
    for (var j = lane; j < n; j += LANES) {
        max = larger(max, x[from_x + j]);
    }
    max = largest(max);
    var sum = 0.0f;
    for (var j = lane; j < n; j += LANES) {
        sum += exp_of(x[from_x + j] - max);
    }
    let log = ln_of(joined(sum));
    for (var j = lane; j < n; j += LANES) {
        y[from_y + j] = x[from_x + j] - max - log;
    }
}

fn sparsemax_value(from_x: u32, from_y: u32, n: u32) {
    var max = x[from_x];
    for (var j = lane; j < n; j += LANES) {
        max = larger(max, x[from_x + j]);
    }
    max = largest(max);
    var total = 0.0f;
    var size = 0.0f;
    for (var j = lane; j < n; j += LANES) {
        let own = x[from_x + j] - max;
        var rank = 0.0f;
        var sum = 0.0f;
        for (var i = 0u; i < n; i++) {
            let other = x[from_x + i] - max;
            if (other >= own) {
                rank += 1.0f;
                sum += other;
            }
        }
        if (fma(rank, own, 1.0f) > sum) {
            total += own;
            size += 1.0f;
        }
    }
    let tau = (joined(total) - 1.0f) / joined(size);
    for (var j = lane; j < n; j += LANES) {
        y[from_y + j] = larger(0.0f, x[from_x + j] - max - tau);
    }
}

fn glu_value(from_x: u32, from_y: u32, n: u32) {
    for (var j = lane; j < n; j += LANES) {
        y[from_y + j] = x[from_x + j] * sigmoid_of(x[from_x + n + j]);
    }
}
//--- gradients
fn softmax_gradient(from_x: u32, from_y: u32, n: u32) {
    var inner = 0.0f;
    for (var j = lane; j < n; j += LANES) {
        inner = fma(y[from_y + j], dy[from_y + j], inner);
    }
    inner = joined(inner);
    for (var j = lane; j < n; j += LANES) {
        put(from_x + j, y[from_y + j] * (dy[from_y + j] - inner));
    }
}

fn log_softmax_gradient(from_x: u32, from_y: u32, n: u32) {
    var sum = 0.0f;
    for (var j = lane; j < n; j += LANES) {
        sum += dy[from_y + j];
    }
    sum = joined(sum);
    for (var j = lane; j < n; j += LANES) {
        put(from_x + j, dy[from_y + j] - exp_of(y[from_y + j]) * sum);
    }
}

fn sparsemax_gradient(from_x: u32, from_y: u32, n: u32) {
    var sum = 0.0f;
    var count = 0.0f;
    for (var j = lane; j < n; j += LANES) {
        if (y[from_y + j] > 0.0f) {
            sum += dy[from_y + j];
            count += 1.0f;
        }
    }
    let mean = joined(sum) / joined(count);
    for (var j = lane; j < n; j += LANES) {
        put(from_x + j, select(0.0f, dy[from_y + j] - mean, y[from_y + j] > 0.0f));
    }
}

fn glu_gradient(from_x: u32, from_y: u32, n: u32) {
    for (var j = lane; j < n; j += LANES) {
        let gate = sigmoid_of(x[from_x + n + j]);
        let d = dy[from_y + j];
        put(from_x + j, d * gate);
        put(from_x + n + j, d * x[from_x + j] * (gate * (1.0f - gate)));
    }
}
