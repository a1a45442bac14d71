//! A plan as a chain, where it is one.

use super::super::executor::CpuBackend;
use super::super::gemm::Start;
use super::super::simd::{Level, PANEL};
use super::Chain;
use super::bytes::{Bytes, Range};
use super::dense::{Dense, Weights, is_relu};
use super::link::Link;
use super::narrow::{Bfloats, Halves};
use crate::backend::Purpose;
use crate::data::Feed;
use crate::error::{Error, Result};
use crate::params::{Snapshot, panels};
use crate::plan::{Kind, Plan, Stage};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

/// The stages in order if each reads the one before it alone and every sample is one row; else the layer that does not.
pub fn links_of(plan: &Plan) -> std::result::Result<Vec<&Stage>, String> {
    let sources: Vec<usize> = (0..plan.tensors.len()).filter(|&t| is_read_input(plan, t)).collect();
    let [source] = sources[..] else { return Err(format!("{} inputs", sources.len())) };
    let mut at = source;
    for stage in &plan.stages {
        let narrow = |t: usize| plan.tensors[t].rows() == 1;
        if stage.inputs[..] != [at] || !narrow(at) || !narrow(stage.output) || !is_link(&stage.kind) {
            return Err(format!("layer '{}' ({})", stage.layer, stage.kind.name()));
        }
        at = stage.output;
    }
    match plan.outputs[..] {
        [output] if output == at && plan.tensors[at].rows() == 1 => Ok(plan.stages.iter().collect()),
        _ => Err(format!("{} outputs", plan.outputs.len())),
    }
}

fn is_read_input(plan: &Plan, t: usize) -> bool {
    plan.tensors[t].source.is_some() && plan.tensors[t].uses > 0
}

fn is_link(kind: &Kind) -> bool {
    // The last four do nothing here.
    matches!(
        kind,
        Kind::Dense { .. }
            | Kind::Map(_)
            | Kind::RowMap(_)
            | Kind::Affine { .. }
            | Kind::Standardize { .. }
            | Kind::BatchNorm { .. }
            | Kind::Dropout { .. }
            | Kind::Noise { .. }
            | Kind::Penalty { .. }
            | Kind::Reshape
    )
}

/// Gives a ReLU to the dense link that it follows, if it follows one.
fn follow_dense(links: &mut [Link]) -> bool {
    match links.last_mut() {
        Some(Link::Dense(dense)) if !dense.relu => {
            dense.relu = true;
            true
        }
        _ => false,
    }
}

/// How the kernels of dense layers are stored.
#[derive(Clone, Copy)]
pub(crate) enum Storage<'a> {
    /// As they are.
    Whole,
    /// As float16.
    Halves,
    /// As bfloat16.
    Bfloats,
    /// As bytes, for inputs of these ranges, one a dense layer.
    Bytes(&'a [Range]),
}

impl Chain {
    /// The chain of a plan with these weights. `None` where it is not one and does not have to be.
    pub fn new(plan: &Arc<Plan>, weights: &Arc<Snapshot>, level: Level, how: Storage) -> Result<Option<Self>> {
        let stages = match (links_of(plan), &how) {
            (Ok(stages), _) => stages,
            (Err(_), Storage::Whole) => return Ok(None),
            (Err(obstacle), _) => {
                let expected = "'f32' for a model that is no chain of layers on rows";
                return Err(Error::invalid("precision", expected, format!("another; there is {obstacle}")));
            }
        };
        let pointers = weights.pointers();
        let (mut links, mut dense) = (Vec::new(), 0);
        for stage in stages {
            let (from, to) = (&plan.tensors[stage.input()], &plan.tensors[stage.output]);
            let columns = to.columns();
            let link = match &stage.kind {
                Kind::Dense { kernel, bias } => {
                    let (variable, shape) = (&plan.variables[*kernel], [from.columns(), columns]);
                    let (place, layout) = (variable.path(), variable.layout());
                    let numbers = || weights.values(*kernel, layout);
                    let stored = match how {
                        Storage::Whole => Weights::Whole(pointers[*kernel]),
                        Storage::Halves => Weights::Halves(Halves::new(&numbers(), shape, place)?),
                        Storage::Bfloats => Weights::Bfloats(Bfloats::new(&numbers(), shape, level, place)?),
                        Storage::Bytes(ranges) => {
                            let bias = bias.map(|b| weights.values(b, plan.variables[b].layout()));
                            let range = ranges[dense];
                            Weights::Bytes(Bytes::new(&numbers(), bias.as_deref(), shape, range, level, place)?)
                        }
                    };
                    dense += 1;
                    let start = bias.map_or(Start::Zero, |b| Start::Row(pointers[b]));
                    Link::Dense(Dense { depth: from.columns(), columns, start, relu: false, weights: stored })
                }
                Kind::Map(activation) if is_relu(activation) && follow_dense(&mut links) => continue,
                Kind::Map(activation) => Link::Map { activation: *activation, columns },
                Kind::RowMap(activation) => {
                    Link::RowMap { activation: *activation, columns: (from.columns(), columns) }
                }
                Kind::Affine { .. } | Kind::Standardize { .. } | Kind::BatchNorm { .. } => {
                    // The executor knows how these kinds make numbers of their variables.
                    let executor =
                        CpuBackend { level, ..CpuBackend::default() }.executor(plan, &Purpose::Predict, 1)?;
                    let (feed, refused) = (Feed::nothing(), AtomicI64::new(-1));
                    let context = executor.context(&feed, &executor.memory[0], &pointers, &refused);
                    let maps = (0..panels(columns)).map(|panel| context.column_map(&stage.kind, panel, columns));
                    Link::Columns { maps: maps.collect(), columns }
                }
                // The identity in inference.
                _ => continue,
            };
            links.push(link);
        }
        let input = plan.tensors.iter().enumerate().find(|(t, _)| is_read_input(plan, *t));
        let input = input.map_or(0, |(_, tensor)| tensor.columns());
        let output = links.last().map_or(input, Link::columns);
        let widest = links.iter().map(Link::columns).chain([input]).max().unwrap_or(0);
        let most = |i: usize| links.iter().map(|link| link.scratch()[i]).max().unwrap_or(0).next_multiple_of(PANEL);
        Ok(Some(Chain {
            level,
            columns: (input, output),
            widest: panels(widest),
            scratch: [most(0), most(1)],
            work: links.iter().map(Link::work).sum(),
            links,
            _weights: weights.clone(),
        }))
    }
}
