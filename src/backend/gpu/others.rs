//! The stages beyond dense layers, activations and dropout: their way forward.

use super::dispatch::{Count, Grid, Place, Shape, is_long, row_groups};
use super::program::{Content, Maker, amounts};
use super::wgsl::{self, ColumnForm};
use crate::plan::{Encoding, Kind, Merge, Noise, Stage, TensorId};
use crate::rng::{Stream, dropout_threshold};

/// Keras's ε of a normalization by given statistics.
const EPSILON: f32 = 1e-7;

/// α′ of an alpha dropout, as in `cpu/noise.rs`.
const ALPHA: f64 = -1.673_263_242_354_377_2 * 1.050_700_987_355_480_5;

/// Numbers as words.
pub(super) fn words(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|x| x.to_bits()).collect()
}

/// For a map from elements to others: the list of the former by the latter, and where each one's begins.
fn inverse(map: &[u32], count: usize) -> [Vec<u32>; 2] {
    let mut starts = vec![0; count + 1];
    map.iter().for_each(|&from| starts[from as usize + 1] += 1);
    for i in 0..count {
        starts[i + 1] += starts[i];
    }
    let (mut next, mut made) = (starts.clone(), vec![0; map.len()]);
    for (e, &from) in map.iter().enumerate() {
        made[next[from as usize] as usize] = e as u32;
        next[from as usize] += 1;
    }
    [starts, made]
}

/// Which of noise.wgsl's a noise is, and its numbers.
pub(super) fn noise_numbers(noise: Noise) -> (u32, f64, [f32; 4]) {
    match noise {
        Noise::Gaussian { stddev } => (0, 0.0, [stddev as f32, 0.0, 0.0, 0.0]),
        Noise::GaussianDropout { rate } => (1, 0.0, [(rate / (1.0 - rate)).sqrt() as f32, 0.0, 0.0, 0.0]),
        Noise::AlphaDropout { rate } => {
            let a = ((1.0 - rate) * (1.0 + rate * ALPHA * ALPHA)).powf(-0.5);
            let b = -a * ALPHA * rate;
            (2, rate, [a as f32, b as f32, (a * ALPHA + b) as f32, 0.0])
        }
    }
}

/// How merge.wgsl calls a merge.
pub(super) fn merge_number(merge: Merge) -> u32 {
    match merge {
        Merge::Add | Merge::Average => 0,
        Merge::Subtract => 1,
        Merge::Multiply => 2,
        Merge::Maximum => 3,
        Merge::Minimum => 4,
    }
}

/// The numbers of one column of a stage: which form, and where they are.
pub(super) struct Columns {
    pub form: ColumnForm,
    /// a, b, γ and β.
    pub places: [Place; 4],
    /// The lengths of a and b, and ε.
    pub more: [usize; 4],
    pub epsilon: f32,
}

impl Maker<'_> {
    /// The elements of a sample as one row.
    pub(super) fn flat(&self, tensor: TensorId) -> Shape {
        let (rows, columns) = self.size(tensor);
        Shape { per_sample: 1, columns: rows * columns, ..Shape::default() }
    }

    /// Where a merge of several inputs leaves its result after input number `k`.
    pub(super) fn partial(&mut self, s: usize, k: usize) -> Place {
        let stage = &self.plan.stages[s];
        if k + 1 == stage.inputs.len() {
            return self.value(stage.output);
        }
        let (rows, columns) = self.size(stage.output);
        self.keep(s, k, Count::PerSample(rows * columns))
    }

    /// A map of the elements of a sample, and its inverse.
    pub(super) fn maps(&mut self, s: usize, map: &[u32], count: usize) -> [Place; 3] {
        let forward = self.give(s, 0, || map.to_vec());
        let [starts, made] = [
            self.give(s, 1, || inverse(map, count)[0].clone()),
            self.give(s, 2, || {
                let [_, made] = inverse(map, count);
                made
            }),
        ];
        [forward, starts, made]
    }

    /// The shape of noise on a tensor.
    pub(super) fn noise_shape(&self, noise: Noise, stream: &Stream, tensor: TensorId) -> (u32, Shape) {
        let (number, rate, amounts) = noise_numbers(noise);
        let dropout = Some((stream.key(), dropout_threshold(rate), 1.0));
        (number, Shape { dropout, amounts, ..self.shape(tensor) })
    }

    /// The numbers of each column, for stages that have such.
    pub(super) fn columns(&mut self, s: usize) -> Option<Columns> {
        let optional = |v: Option<usize>| v.map_or(Place::Nothing, Place::Variable);
        let length = |v: usize| self.plan.variables[v].layout().len();
        let nothing = [Place::Nothing, Place::Nothing];
        Some(match &self.plan.stages[s].kind {
            Kind::Affine { scale, offset } => Columns {
                form: ColumnForm { number: 0, gamma: false, beta: false },
                more: [scale.len(), offset.len(), 0, 0],
                places: [
                    self.give(s, 0, || words(scale)),
                    self.give(s, 1, || words(offset)),
                    Place::Nothing,
                    Place::Nothing,
                ],
                epsilon: 0.0,
            },
            Kind::Standardize { mean, variance, invert } => Columns {
                form: ColumnForm { number: if *invert { 2 } else { 1 }, gamma: false, beta: false },
                more: [length(*mean), length(*variance), 0, 0],
                places: [Place::Variable(*mean), Place::Variable(*variance), nothing[0], nothing[1]],
                epsilon: EPSILON,
            },
            Kind::BatchNorm { gamma, beta, mean, variance, epsilon, training, .. } => {
                let batch = *training && self.training;
                let [a, b] = match batch {
                    true => [Place::Kept(s, 0), Place::Nothing],
                    false => [Place::Variable(*mean), Place::Variable(*variance)],
                };
                Columns {
                    form: ColumnForm {
                        number: if batch { 4 } else { 3 },
                        gamma: gamma.is_some(),
                        beta: beta.is_some(),
                    },
                    more: [length(*mean), length(*variance), 0, 0],
                    places: [a, b, optional(*gamma), optional(*beta)],
                    epsilon: *epsilon as f32,
                }
            }
            _ => return None,
        })
    }

    /// Whether a stage normalizes by the statistics of the batch.
    pub(super) fn takes_moments(&self, s: usize) -> bool {
        self.training && matches!(self.plan.stages[s].kind, Kind::BatchNorm { training: true, .. })
    }

    /// A stage forward.
    pub(super) fn forward_other(&mut self, s: usize) {
        let stage: &Stage = &self.plan.stages[s];
        let (layer, input, output) = (&stage.layer, stage.input(), stage.output);
        let (x, y, shape) = (self.value(input), self.value(output), self.shape(output));
        let (in_rows, in_columns) = self.size(input);
        let optional = |v: Option<usize>| v.map_or(Place::Nothing, Place::Variable);
        match &stage.kind {
            Kind::Noise { noise, stream } if self.training => {
                let (number, shape) = self.noise_shape(*noise, stream, output);
                let grid = Grid::Each(Count::PerSample(shape.per_sample.div_ceil(4) * shape.columns));
                self.push(layer, wgsl::noise(number, None), vec![x, y], shape, grid);
            }
            Kind::Penalty { l1, l2 } => {
                if x != y {
                    self.copy(layer, x, y, shape, 1.0, 0);
                }
                if self.reports {
                    let extra = self.section(Content::Activity, row_groups(self.batch, false));
                    let shape = Shape { extra, amounts: amounts(*l1, *l2), ..self.shape(input) };
                    let grid = Grid::Each(Count::PerSample(1));
                    self.push(layer, wgsl::activity(), vec![x, Place::Results], shape, grid);
                }
            }
            Kind::Reshape | Kind::Noise { .. } | Kind::Dropout { .. } => self.copy(layer, x, y, shape, 1.0, 0),
            Kind::Rearrange { map } => {
                let [map, ..] = self.maps(s, map, in_rows * in_columns);
                let shape = Shape { depth: in_rows * in_columns, ..self.flat(output) };
                self.each(layer, wgsl::rearrange(), vec![x, map, y], shape);
            }
            Kind::Merge(merge) => {
                let (mut sum, count) = (x, stage.inputs.len());
                if count == 1 {
                    return self.copy(layer, x, y, shape, 1.0, 0);
                }
                for (k, &other) in stage.inputs.iter().enumerate().skip(1) {
                    let last = k + 1 == count;
                    let over = if last && *merge == Merge::Average { count as f32 } else { 1.0 };
                    let into = self.partial(s, k);
                    let shape = Shape { amounts: [over, 0.0, 0.0, 0.0], ..shape };
                    let places = vec![sum, self.value(other), into];
                    self.each(layer, wgsl::merge(merge_number(*merge)), places, shape);
                    sum = into;
                }
            }
            Kind::Concatenate => {
                let mut first = 0;
                for &part in &stage.inputs {
                    let own = Shape { depth: shape.columns, extra: first, ..self.shape(part) };
                    self.each(layer, wgsl::concatenate(None), vec![self.value(part), y], own);
                    first += own.columns;
                }
            }
            Kind::Dot { m, n } => {
                let shape = Shape { more: [*m, *n, in_columns, 0], ..self.flat(output) };
                self.each(layer, wgsl::dot(), vec![x, self.value(stage.inputs[1]), y], shape);
            }
            Kind::UnitNormalize { epsilon } => {
                let shape = Shape { amounts: [*epsilon as f32, 0.0, 0.0, 0.0], ..shape };
                let (long, rows) = (is_long(shape.columns), Count::PerSample(shape.per_sample));
                let places = vec![x, Place::Nothing, y];
                self.push(layer, wgsl::unit_norm(None, long), places, shape, Grid::Rows(rows, long));
            }
            Kind::Affine { .. } | Kind::Standardize { .. } | Kind::BatchNorm { .. } => {
                if self.takes_moments(s) {
                    self.moments(s);
                }
                if let Some(columns) = self.columns(s) {
                    let [a, b, gamma, beta] = columns.places;
                    let shape = Shape { more: columns.more, amounts: [columns.epsilon, 0.0, 0.0, 0.0], ..shape };
                    self.each(layer, wgsl::column_map(columns.form, None), vec![x, a, b, gamma, beta, y], shape);
                }
            }
            Kind::LayerNorm { gamma, beta, epsilon, moments } => {
                let saved = self.keep(s, 0, Count::PerSample(2 * shape.per_sample));
                let shape = Shape { amounts: [*epsilon as f32, 0.0, 0.0, 0.0], ..shape };
                let (long, rows) = (is_long(shape.columns), Count::PerSample(shape.per_sample));
                let shader = wgsl::layer_norm(*moments, gamma.is_some(), beta.is_some(), long);
                let places = vec![x, optional(*gamma), optional(*beta), saved, y];
                self.push(layer, shader, places, shape, Grid::Rows(rows, long));
            }
            Kind::Prelu { alpha, map } => {
                let [map, ..] = self.maps(s, map, self.plan.variables[*alpha].layout().len());
                let places = vec![x, map, Place::Variable(*alpha), Place::Nothing, y];
                self.each(layer, wgsl::prelu(None), places, self.flat(output));
            }
            Kind::Embedding { table } => {
                let places = vec![x, Place::Order, Place::Variable(*table), y];
                let shape = self.lookup(s, *table, shape);
                self.each(layer, wgsl::embedding(self.direct[input]), places, shape);
            }
            Kind::Discretize { boundaries } => {
                let shape = Shape { extra: boundaries.len(), ..shape };
                let boundaries = self.give(s, 0, || words(boundaries));
                self.each(layer, wgsl::discretize(), vec![x, boundaries, y], shape);
            }
            Kind::Encode { encoding, .. } => {
                let number = match encoding {
                    Encoding::OneHot => 0,
                    Encoding::MultiHot => 1,
                    Encoding::Count => 2,
                };
                let shape = Shape { depth: in_columns, ..shape };
                let grid = Grid::Each(Count::PerSample(shape.per_sample));
                self.push(layer, wgsl::encode(number), vec![x, y], shape, grid);
            }
            Kind::Dense { .. } | Kind::Map(_) | Kind::RowMap(_) => {
                unreachable!("stage {s}: {} has its place in program.rs", stage.kind.name())
            }
        }
    }

    /// y (+)= factor · x; `adds` as in common.wgsl.
    pub(super) fn copy(&mut self, layer: &str, x: Place, y: Place, shape: Shape, factor: f32, adds: u32) {
        self.each(layer, wgsl::copy(adds), vec![x, y], Shape { amounts: [factor, 0.0, 0.0, 0.0], ..shape });
    }

    /// The shape of what reads the ids of a stage.
    pub(super) fn lookup(&self, s: usize, table: usize, shape: Shape) -> Shape {
        let (rows, columns) = self.size(self.plan.stages[s].input());
        Shape { depth: rows * columns, more: [self.plan.variables[table].layout().rows, 0, 0, 0], ..shape }
    }

    /// Mean, factor and variance of each column of a batch.
    fn moments(&mut self, s: usize) {
        let stage = &self.plan.stages[s];
        let Kind::BatchNorm { epsilon, .. } = stage.kind else { return };
        let columns = self.size(stage.output).1;
        let saved = self.keep(s, 0, Count::Fixed(3 * columns));
        let shape = Shape { amounts: [epsilon as f32, 0.0, 0.0, 0.0], ..self.shape(stage.output) };
        let places = vec![self.value(stage.input()), Place::Nothing, Place::Nothing, saved];
        self.push(&stage.layer, wgsl::column_sums(0, true), places, shape, Grid::Groups(columns.div_ceil(16)));
    }
}
