//! The variable store: every trained number lives here, in the layout the kernels use.
//!
//! A matrix of `rows` × `columns` is kept as panels of [`PANEL`] columns: panel p holds columns 16p … 16p + 15, row
//! after row, one cache line a row, padded with zeros. A vector is a matrix of one row. Kernels keep the padding
//! at zero, so sums over a panel need no mask.
//!
//! Layers hold variables by reference ([`Arc`]), so several models can train the same ones. A training region
//! holds the locks of its variables and gives them up between two steps when a reader asks ([`Variable::is_wanted`]):
//! a reader therefore sees the numbers of one whole step, never a mixture.

use crate::backend::cpu::simd::PANEL;
use crate::constraints::Constraint;
use crate::error::{Error, Result};
use crate::regularizers::Regularizer;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

/// One row of one panel.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct Line(pub [f32; PANEL]);

/// Cache lines of floats, aligned to 64 bytes.
pub type Lines = Vec<Line>;

/// Zeroed lines; a refused allocation is an error and not an abort.
pub fn lines(count: usize, place: &str) -> Result<Lines> {
    let mut lines = Vec::new();
    lines
        .try_reserve_exact(count)
        .map_err(|_| Error::OutOfMemory { place: place.to_string(), bytes: count.saturating_mul(size_of::<Line>()) })?;
    lines.resize(count, Line([0.0; PANEL]));
    Ok(lines)
}

/// Zeroed numbers, likewise.
pub(crate) fn zeros(count: usize, place: &str) -> Result<Vec<f32>> {
    let mut values = Vec::new();
    let refused = |_| Error::OutOfMemory { place: place.into(), bytes: count.saturating_mul(4) };
    values.try_reserve_exact(count).map_err(refused)?;
    values.resize(count, 0.0);
    Ok(values)
}

/// How many panels `columns` fill.
pub const fn panels(columns: usize) -> usize {
    columns.div_ceil(PANEL)
}

/// The shape of a matrix in panels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Rows; for a kernel the inputs.
    pub rows: usize,
    /// Columns in use; for a kernel the units.
    pub columns: usize,
}

impl Layout {
    /// The layout of an array: its last axis as columns, the others as rows.
    pub fn of(shape: &[usize], place: &str) -> Result<Self> {
        let columns = shape.last().copied().unwrap_or(1);
        let rows = shape.iter().rev().skip(1).try_fold(1_usize, |product, &d| product.checked_mul(d));
        let layout = rows.map(|rows| Layout { rows, columns });
        layout
            .filter(|l| l.rows.checked_mul(panels(l.columns)).and_then(|n| n.checked_mul(64)).is_some())
            .ok_or_else(|| Error::OutOfMemory { place: place.to_string(), bytes: usize::MAX })
    }

    /// Lines in all panels.
    pub fn lines(self) -> usize {
        self.rows * panels(self.columns)
    }

    /// Numbers in use.
    pub fn len(self) -> usize {
        self.rows * self.columns
    }

    /// Whether no number is in use.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Row-major numbers into panels; the padding is left alone.
    pub fn pack(self, values: &[f32], into: &mut [Line]) {
        for (r, row) in values.chunks_exact(self.columns.max(1)).enumerate() {
            for (p, part) in row.chunks(PANEL).enumerate() {
                into[p * self.rows + r].0[..part.len()].copy_from_slice(part);
            }
        }
    }

    /// Panels into row-major numbers.
    pub fn unpack(self, from: &[Line], values: &mut [f32]) {
        for (r, row) in values.chunks_exact_mut(self.columns.max(1)).enumerate() {
            for (p, part) in row.chunks_mut(PANEL).enumerate() {
                part.copy_from_slice(&from[p * self.rows + r].0[..part.len()]);
            }
        }
    }
}

/// A named array of trained numbers.
pub struct Variable {
    id: u64,
    name: String,
    path: String,
    shape: Vec<usize>,
    layout: Layout,
    trainable: bool,
    regularizer: Option<Regularizer>,
    constraint: Option<Constraint>,
    lines: RwLock<Lines>,
    version: AtomicU64,
    waiting: AtomicUsize,
    trainers: AtomicUsize,
}

impl Variable {
    /// A variable with row-major `values`. `path` is unique in its layer, e.g. `dense_1/kernel`.
    pub fn new(name: &str, path: &str, shape: &[usize], trainable: bool, values: &[f32]) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let layout = Layout::of(shape, path)?;
        let mut lines = lines(layout.lines(), path)?;
        layout.pack(values, &mut lines);
        Ok(Variable {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            name: name.to_string(),
            path: path.to_string(),
            shape: shape.to_vec(),
            layout,
            trainable,
            regularizer: None,
            constraint: None,
            lines: RwLock::new(lines),
            version: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            trainers: AtomicUsize::new(0),
        })
    }

    /// The same with a penalty on its numbers and a rule that they keep to after each step.
    pub fn with_rules(self, regularizer: Option<Regularizer>, constraint: Option<Constraint>) -> Self {
        Variable { regularizer, constraint, ..self }
    }

    /// The penalty on its numbers.
    pub fn regularizer(&self) -> Option<&Regularizer> {
        self.regularizer.as_ref()
    }
    /// The rule that its numbers keep to.
    pub fn constraint(&self) -> Option<&Constraint> {
        self.constraint.as_ref()
    }

    /// Unique in the process; locks are taken in its order.
    pub fn id(&self) -> u64 {
        self.id
    }
    /// What the layer calls it, e.g. `kernel`.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Layer and name, e.g. `dense_1/kernel`.
    pub fn path(&self) -> &str {
        &self.path
    }
    /// The shape a user sees.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }
    /// The shape in panels.
    pub fn layout(&self) -> Layout {
        self.layout
    }
    /// Whether training changes it.
    pub fn trainable(&self) -> bool {
        self.trainable
    }
    /// Counts the changes.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
    /// Says that the numbers changed.
    pub fn touch(&self) {
        self.version.fetch_add(1, Ordering::AcqRel);
    }
    /// Whether a reader waits for training to pause.
    pub fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Whether somebody trains it at this moment.
    pub fn is_training(&self) -> bool {
        self.trainers.load(Ordering::Acquire) > 0
    }

    /// The numbers, row-major.
    pub fn values(&self) -> Result<Vec<f32>> {
        let mut values = zeros(self.layout.len(), &self.path)?;
        self.layout.unpack(&self.read(), &mut values);
        Ok(values)
    }

    /// Replaces the numbers by row-major `values` of the same shape.
    pub fn assign(&self, shape: &[usize], values: &[f32]) -> Result<()> {
        if shape != self.shape || values.len() != self.layout.len() {
            return Err(Error::invalid(&self.path, format!("shape {:?}", self.shape), format!("shape {shape:?}")));
        }
        let mut lines = self.write();
        self.layout.pack(values, &mut lines);
        self.touch();
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, Lines> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // A panic cannot leave lines half written: regions hold raw pointers and write whole tiles.
        let guard = self.lines.read().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        guard
    }

    fn write(&self) -> RwLockWriteGuard<'_, Lines> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let guard = self.lines.write().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        guard
    }
}

/// Variables in the order of their locks, each once.
fn in_lock_order(variables: &[Arc<Variable>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..variables.len()).collect();
    order.sort_by_key(|&i| variables[i].id);
    order
}

/// Exclusive access to several variables, for a training region.
pub struct Exclusive<'a> {
    variables: &'a [Arc<Variable>],
    guards: Vec<(usize, RwLockWriteGuard<'a, Lines>)>,
}

impl<'a> Exclusive<'a> {
    /// Waits for readers and other trainers. `variables` must be distinct.
    pub fn lock(variables: &'a [Arc<Variable>]) -> Self {
        // A trainer that waits for another does not count as a reader: it would make the other one pause.
        let take = |i: usize| (i, variables[i].lines.write().unwrap_or_else(PoisonError::into_inner));
        let guards = in_lock_order(variables).into_iter().map(take).collect();
        for v in variables {
            v.trainers.fetch_add(1, Ordering::AcqRel);
        }
        Exclusive { variables, guards }
    }

    /// The start of each variable's lines, in the order that `lock` was given.
    pub fn pointers(&mut self) -> Vec<*mut f32> {
        let mut pointers = vec![std::ptr::null_mut(); self.guards.len()];
        for (i, guard) in &mut self.guards {
            pointers[*i] = guard.as_mut_ptr().cast();
        }
        pointers
    }
}

impl Exclusive<'_> {
    /// The lines of each variable, in the order that `lock` was given.
    pub fn lines(&mut self) -> Vec<&mut Lines> {
        let mut lines: Vec<_> = self.guards.iter_mut().map(|(i, guard)| (*i, &mut **guard)).collect();
        lines.sort_by_key(|(i, _)| *i);
        lines.into_iter().map(|(_, lines)| lines).collect()
    }
}

impl Drop for Exclusive<'_> {
    fn drop(&mut self) {
        for v in self.variables {
            v.trainers.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// An immutable copy of several variables, all of one moment.
pub struct Snapshot {
    id: u64,
    taken: Instant,
    versions: Vec<u64>,
    values: Vec<Lines>,
}

impl Snapshot {
    /// Copies the variables between two steps of whoever trains them. They must be distinct.
    pub fn take(variables: &[Arc<Variable>]) -> Result<Self> {
        let order = in_lock_order(variables);
        for v in variables {
            v.waiting.fetch_add(1, Ordering::Relaxed);
        }
        let guards: Vec<_> =
            order.iter().map(|&i| variables[i].lines.read().unwrap_or_else(PoisonError::into_inner)).collect();
        for v in variables {
            v.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let taken = Instant::now();
        let mut snapshot = Snapshot {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            taken,
            versions: variables.iter().map(|v| v.version()).collect(),
            values: vec![Vec::new(); order.len()],
        };
        for (&i, guard) in order.iter().zip(&guards) {
            let mut copy = Vec::new();
            copy.try_reserve_exact(guard.len())
                .map_err(|_| Error::OutOfMemory { place: variables[i].path.clone(), bytes: guard.len() * 64 })?;
            copy.extend_from_slice(guard);
            snapshot.values[i] = copy;
        }
        Ok(snapshot)
    }

    /// Unique in the process, and never 0: whoever copies a snapshot elsewhere knows by it whether he has it already.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The numbers of variable `i`, which has this layout, row-major.
    pub fn values(&self, i: usize, layout: Layout) -> Vec<f32> {
        let mut values = vec![0.0; layout.len()];
        layout.unpack(&self.values[i], &mut values);
        values
    }

    /// Whether the variables still are what was copied.
    pub fn is_current(&self, variables: &[Arc<Variable>]) -> bool {
        self.versions.iter().zip(variables).all(|(version, v)| *version == v.version())
    }

    /// Whether it is good enough for a reader while somebody trains: at most some milliseconds old. Readers in a row then
    /// share one copy, and training is not stopped at every step.
    pub fn is_recent(&self) -> bool {
        self.taken.elapsed() < Duration::from_millis(5)
    }

    /// The start of each variable's lines.
    pub fn pointers(&self) -> Vec<*mut f32> {
        self.values.iter().map(|v| v.as_ptr().cast_mut().cast()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_is_lossless_on_odd_shapes() {
        for (rows, columns) in [(1, 1), (3, 16), (5, 17), (7, 31), (0, 4), (2, 33)] {
            let values: Vec<f32> = (0..rows * columns).map(|i| i as f32 + 1.0).collect();
            let v = Variable::new("kernel", "dense/kernel", &[rows, columns], true, &values).unwrap();
            assert_eq!(v.values().unwrap(), values);
            let padding: f32 = v.read().iter().flat_map(|l| l.0).sum::<f32>() - values.iter().sum::<f32>();
            assert_eq!(padding, 0.0);
        }
    }

    #[test]
    fn assign_refuses_another_shape_and_keeps_the_numbers() {
        let v = Variable::new("bias", "dense/bias", &[3], true, &[1.0, 2.0, 3.0]).unwrap();
        assert!(v.assign(&[4], &[0.0; 4]).unwrap_err().to_string().contains("dense/bias: expected shape [3]"));
        assert_eq!(v.values().unwrap(), [1.0, 2.0, 3.0]);
        assert_eq!(v.version(), 0);
        v.assign(&[3], &[4.0, 5.0, 6.0]).unwrap();
        assert_eq!((v.values().unwrap(), v.version()), (vec![4.0, 5.0, 6.0], 1));
    }

    #[test]
    fn a_snapshot_knows_when_it_is_old() {
        let v = [Arc::new(Variable::new("bias", "b", &[2], true, &[1.0, 2.0]).unwrap())];
        let snapshot = Snapshot::take(&v).unwrap();
        assert!(snapshot.is_current(&v));
        v[0].assign(&[2], &[0.0, 0.0]).unwrap();
        assert!(!snapshot.is_current(&v));
    }

    #[test]
    fn sizes_beyond_memory_are_errors() {
        assert!(matches!(Layout::of(&[usize::MAX, 17], "w"), Err(Error::OutOfMemory { .. })));
        assert!(matches!(lines(1 << 50, "w"), Err(Error::OutOfMemory { .. })));
    }
}
