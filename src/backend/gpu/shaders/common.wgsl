// What every kernel sees: the step, the shapes, and which row of the data set a row of the batch is.

// One a step; the binding's offset tells which.
struct Step {
    // Where the batch begins in the order of the samples, and how many it has.
    first: u32,
    samples: u32,
    // Steps taken before, which dropout draws by.
    number: vec2<u32>,
    // Where this step's results go.
    slot: u32,
    // 1: gradients add to those of the steps before. 2: the rule updates. 4: averages replace the weights.
    flags: u32,
    zero: u32,
    // The share of a weight that decays, where it does.
    decay: f32,
    // The constants of what moves in a step without an update.
    between: vec4<f32>,
    // The constants of the optimizer's rule in this step: for variables that decay, then for others.
    rule: array<vec4<f32>, 16>,
    // What the sum of the weighted losses of each output is multiplied by.
    scales: array<vec4<f32>, 12>,
}

// One a dispatch.
struct Shape {
    // Rows of a sample; 0 for what has `columns` numbers whatever the batch.
    per_sample: u32,
    // Of a product: the columns of x, the rows of the kernel. Elsewhere what the kernel says.
    depth: u32,
    columns: u32,
    // Dropout: the draws below this are dropped; the key of the stream; what the others are multiplied by.
    threshold: u32,
    key: vec4<u32>,
    keep: f32,
    extra: u32,
    // Where the rule's constants of one variable, or of two, begin.
    rule: vec2<u32>,
    // What the kernel says.
    more: vec4<u32>,
    amounts: vec4<f32>,
}

@group(0) @binding(0) var<uniform> now: Step;
@group(0) @binding(1) var<uniform> shape: Shape;

fn batch_rows() -> u32 {
    return now.samples * shape.per_sample;
}

fn elements() -> u32 {
    return select(batch_rows() * shape.columns, shape.columns, shape.per_sample == 0u);
}

// Where the constants of the variable at hand begin.
var<private> rule_from: u32 = 0u;

fn parameter(i: u32) -> f32 {
    let at = rule_from + i;
    return now.rule[at / 4u][at % 4u];
}

fn between_parameter(i: u32) -> f32 {
    return now.between[i];
}

// Whether a variable's gradient adds to what is there: 0 never, 1 always, 2 if this step goes on with others.
fn adds(mode: u32) -> bool {
    return mode == 1u || (mode == 2u && (now.flags & 1u) != 0u);
}

// Where a kernel's results of this step begin: `extra` numbers after the step's own.
fn result_place() -> u32 {
    return now.slot * shape.more.x + shape.extra;
}
