// What every kernel sees: the step, the shapes, and which row of the data set a row of the batch is.

// One a step; the binding's offset tells which.
struct Step {
    // Where the batch begins in the order of the samples, and how many it has.
    first: u32,
    samples: u32,
    // Steps taken before, which dropout draws by.
    number: vec2<u32>,
    // What the sum of the weighted losses is multiplied by.
    scale: f32,
    // Where this step's results go.
    slot: u32,
    zero: vec2<u32>,
    // The constants of the optimizer's rule in this step.
    rule: array<vec4<f32>, 8>,
}

// One a dispatch.
struct Shape {
    // Rows of a sample.
    per_sample: u32,
    // Of a product: the columns of x, the rows of the kernel. Elsewhere what the kernel says.
    depth: u32,
    columns: u32,
    // Dropout: the draws below this are dropped; the key of the stream; what the others are multiplied by.
    threshold: u32,
    key: vec4<u32>,
    keep: f32,
    extra: u32,
    unused: vec2<u32>,
}

@group(0) @binding(0) var<uniform> now: Step;
@group(0) @binding(1) var<uniform> shape: Shape;

fn batch_rows() -> u32 {
    return now.samples * shape.per_sample;
}

fn parameter(i: u32) -> f32 {
    return now.rule[i / 4u][i % 4u];
}
