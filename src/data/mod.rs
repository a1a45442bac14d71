//! Borrowed arrays: where a batch comes from.
//!
//! An [`Array`] is a pointer into memory that somebody else owns and may write while we read (Python's). No slice is
//! ever formed over it: elements are read one by one, converted to `f32` and put into private memory, and what
//! depends on their values (class ids, finiteness) is checked there.

mod dtype;

pub use dtype::{DType, Element};

use crate::backend::cpu::gemm::Panels;
use crate::backend::cpu::simd::{PANEL, prefetch};
use crate::error::{Error, Result};
use dtype::with_element;
use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Ones for the elements to keep, then zeros: the sixteen from 16 − n on keep n.
static MASKS: [u32; 2 * PANEL] = {
    let mut masks = [0; 2 * PANEL];
    let mut i = 0;
    while i < PANEL {
        masks[i] = u32::MAX;
        i += 1;
    }
    masks
};

/// A borrowed array; its first axis counts samples.
#[derive(Clone)]
pub struct Array {
    data: *const u8,
    dtype: DType,
    shape: Vec<usize>,
    strides: Vec<isize>,
    contiguous: bool,
    row_len: usize,
    _owner: Arc<dyn Any + Send + Sync>,
}

// SAFETY: the memory is only read, lives as long as the owner, and every read copes with any bytes in it.
unsafe impl Send for Array {}
// SAFETY: as above.
unsafe impl Sync for Array {}

impl std::fmt::Debug for Array {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}{:?}", self.dtype, self.shape)
    }
}

impl Array {
    /// Borrows memory that `owner` keeps alive.
    ///
    /// # Safety
    /// Every element that `shape` and `strides` (in bytes) reach from `data` must be readable as long as `owner` lives.
    pub unsafe fn borrow(
        data: *const u8,
        dtype: DType,
        shape: &[usize],
        strides: &[isize],
        owner: Arc<dyn Any + Send + Sync>,
    ) -> Self {
        let mut expected = dtype.size() as isize;
        let mut contiguous = true;
        for (&d, &s) in shape.iter().zip(strides).skip(1).rev() {
            contiguous &= d == 1 || s == expected;
            expected *= d as isize;
        }
        let row_len = shape.iter().skip(1).product();
        Array { data, dtype, shape: shape.to_vec(), strides: strides.to_vec(), contiguous, row_len, _owner: owner }
    }

    /// An array of its own memory; `shape` must hold as many elements as `values`.
    pub fn new<T: Element>(values: Vec<T>, shape: &[usize]) -> Result<Self> {
        let count = shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
        if count != Some(values.len()) || shape.is_empty() {
            let expected = format!("as many values as the shape {shape:?} holds");
            return Err(Error::invalid("array", expected, format!("{} values", values.len())));
        }
        let mut strides = vec![size_of::<T>() as isize; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis] as isize;
        }
        let owner = Arc::new(values);
        // SAFETY: the vector holds every element and lives in the owner.
        Ok(unsafe { Array::borrow(owner.as_ptr().cast(), T::DTYPE, shape, &strides, owner.clone()) })
    }

    /// Samples.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }
    /// Its first samples, at most so many.
    pub fn first(&self, rows: usize) -> Self {
        let mut first = self.clone();
        first.shape.iter_mut().take(1).for_each(|all| *all = rows.min(*all));
        first
    }
    /// Elements of one sample.
    pub fn row_len(&self) -> usize {
        self.row_len
    }
    /// The whole shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }
    /// The elements' type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Where element `e` of a sample that starts at `row` is, for samples that are not contiguous.
    #[inline]
    fn offset(&self, mut e: usize) -> isize {
        let mut offset = 0;
        for axis in (1..self.shape.len()).rev() {
            offset += (e % self.shape[axis]) as isize * self.strides[axis];
            e /= self.shape[axis];
        }
        offset
    }

    /// Calls `put(e, value)` for each element of a sample.
    #[inline(always)]
    fn each<T: Element>(&self, row: usize, mut put: impl FnMut(usize, T)) {
        assert!(row < self.rows(), "row {row} of {} samples", self.rows());
        // SAFETY: `row` and every element's index are within the shape, so the owner's memory holds them.
        unsafe {
            let start = self.data.offset(row as isize * self.strides[0]);
            if self.contiguous {
                let start = start.cast::<T>();
                for e in 0..self.row_len {
                    put(e, start.add(e).read_unaligned());
                }
            } else {
                for e in 0..self.row_len {
                    put(e, start.offset(self.offset(e)).cast::<T>().read_unaligned());
                }
            }
        }
    }

    /// One sample's elements, in order, as doubles.
    pub fn read_row(&self, row: usize, out: &mut Vec<f64>) {
        out.clear();
        with_element!(self.dtype, T => self.each::<T>(row, |_, x| out.push(x.to_f64())));
    }

    /// Appends one sample's elements, in order.
    pub fn append_row(&self, row: usize, out: &mut Vec<f32>) {
        let from = out.len();
        // Room first: elements that follow each other are then converted several at a time.
        out.resize(from + self.row_len, 0.0);
        let out = &mut out[from..];
        with_element!(self.dtype, T => self.each::<T>(row, |e, x| out[e] = x.to_f32()));
    }

    /// The first element that `is_bad`, with its row.
    fn find(&self, is_bad: impl Fn(f64) -> bool) -> Option<(usize, f64)> {
        let mut found = None;
        for row in 0..self.rows() {
            with_element!(self.dtype, T => self.each::<T>(row, |_, x| {
                if is_bad(x.to_f64()) && found.is_none() {
                    found = Some((row, x.to_f64()));
                }
            }));
            if found.is_some() {
                break;
            }
        }
        found
    }

    /// Puts samples one after the other into the rows from `to` on of a matrix in panels with `columns` columns, converted;
    /// the last panel's padding is left as it is or becomes zero.
    ///
    /// # Safety
    /// The matrix must have room for `samples.len() · row_len / columns` rows from `to` on, which nobody else may touch.
    pub unsafe fn gather(&self, samples: &[u32], into: Panels, to: usize, columns: usize) {
        // SAFETY: the caller's contract.
        with_element!(self.dtype, T => unsafe { self.gather_as::<T>(samples, into, to, columns) });
    }

    /// # Safety
    /// As [`Array::gather`].
    #[inline(always)]
    unsafe fn gather_as<T: Element>(&self, samples: &[u32], into: Panels, to: usize, columns: usize) {
        let per_sample = self.row_len / columns;
        for (i, &sample) in samples.iter().enumerate() {
            assert!((sample as usize) < self.rows(), "row {sample} of {} samples", self.rows());
            if !self.contiguous {
                // SAFETY: row and column are within the caller's room.
                self.each::<T>(sample as usize, |e, x| unsafe {
                    let column = e % columns;
                    *into.at(column / PANEL, to + i * per_sample + e / columns).add(column % PANEL) = x.to_f32();
                });
            }
        }
        if !self.contiguous {
            return;
        }
        // Where the samples lie one behind the other, all of this memory is theirs.
        let bytes = self.row_len * size_of::<T>();
        let packed = self.strides[0] == bytes as isize;
        let end = if packed { self.data as usize + self.rows() * bytes } else { 0 };
        // Panel by panel: the lines written then follow each other, where those of one sample would all fall into the
        // same few sets of the first-level cache.
        for panel in 0..columns.div_ceil(PANEL) {
            let count = (columns - panel * PANEL).min(PANEL);
            let mask: &[u32] = &MASKS[PANEL - count..][..PANEL];
            for (i, &sample) in samples.iter().enumerate() {
                for r in 0..per_sample {
                    // SAFETY: the elements are the sample's, checked above to be the owner's, or before the end of packed ones;
                    // the line is the caller's.
                    unsafe {
                        let start = self.data.offset(sample as isize * self.strides[0]).cast::<T>();
                        let from = start.add(r * columns + panel * PANEL);
                        let line = into.at(panel, to + i * per_sample + r);
                        if count == PANEL {
                            // By way of an array: the compiler need not fear that source and target overlap, and takes
                            // several elements at a time.
                            let elements = from.cast::<[T; PANEL]>().read_unaligned();
                            *line.cast::<[f32; PANEL]>() = elements.map(T::to_f32);
                        } else if from.wrapping_add(PANEL) as usize <= end {
                            // The samples behind are read too: a fixed number of elements is quicker than the right one.
                            let numbers = from.cast::<[T; PANEL]>().read_unaligned().map(T::to_f32);
                            let mut kept = [0.0; PANEL];
                            for c in 0..PANEL {
                                kept[c] = f32::from_bits(numbers[c].to_bits() & mask[c]);
                            }
                            *line.cast::<[f32; PANEL]>() = kept;
                        } else {
                            for c in 0..count {
                                *line.add(c) = from.add(c).read_unaligned().to_f32();
                            }
                        }
                    }
                }
            }
        }
    }

    /// Cache lines of a contiguous sample that are worth asking for in time; 0 for samples so small that the hardware does as
    /// well.
    pub fn lines(&self) -> usize {
        match (self.row_len * self.dtype.size()).div_ceil(LINE) {
            lines if self.contiguous && lines > 2 => lines,
            _ => 0,
        }
    }

    /// Asks the processor to bring lines of a sample nearer; nothing where it cannot be asked.
    #[inline]
    pub fn prefetch(&self, row: usize, lines: Range<usize>) {
        let start = self.data.wrapping_offset(row as isize * self.strides[0]);
        lines.for_each(|line| prefetch(start.wrapping_add(line * LINE)));
    }

    /// Element `e` of a sample, in C order.
    #[inline]
    pub fn element(&self, row: usize, e: usize) -> f64 {
        assert!(row < self.rows() && e < self.row_len, "element {e} of row {row} of {self:?}");
        // SAFETY: the element is within the shape, so the owner's memory holds it.
        with_element!(self.dtype, T => unsafe {
            let sample = self.data.offset(row as isize * self.strides[0]);
            sample.offset(self.offset(e)).cast::<T>().read_unaligned().to_f64()
        })
    }
}

/// What one run reads: inputs, and for training and evaluation targets and weights, all with the same samples.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    /// One array an input of the model.
    pub inputs: Vec<Array>,
    /// What each output should be, where that matters.
    pub targets: Vec<Option<Target>>,
    /// For each output one weight a sample.
    pub weights: Vec<Option<Array>>,
}

/// Targets as numbers, or as class ids.
#[derive(Clone, Debug)]
pub enum Target {
    /// One number an output.
    Dense(Array),
    /// One class id a row of the output.
    Class(Array),
}

impl Feed {
    /// No samples: what an executor is left with between runs.
    pub fn nothing() -> Arc<Self> {
        Arc::default()
    }

    /// Samples.
    pub fn rows(&self) -> usize {
        self.inputs.first().map_or(0, Array::rows)
    }

    /// The first samples, at most so many.
    pub fn first(&self, rows: usize) -> Self {
        let target = |target: &Target| match target {
            Target::Dense(y) => Target::Dense(y.first(rows)),
            Target::Class(y) => Target::Class(y.first(rows)),
        };
        Feed {
            inputs: self.inputs.iter().map(|x| x.first(rows)).collect(),
            targets: self.targets.iter().map(|y| y.as_ref().map(target)).collect(),
            weights: self.weights.iter().map(|w| w.as_ref().map(|w| w.first(rows))).collect(),
        }
    }
}

/// Checks that class ids are whole numbers in [0, `classes`), except `ignored`.
pub fn check_class_ids(y: &Array, classes: usize, ignored: Option<i64>, place: &str) -> Result<()> {
    let (end, ignored) = (classes as f64, ignored.map_or(f64::NAN, |i| i as f64));
    match y.find(|id| !(id >= 0.0 && id < end && id.trunc() == id || id == ignored)) {
        Some((row, id)) => {
            Err(Error::invalid(place, format!("class ids in [0, {classes})"), format!("{id} in row {row}")))
        }
        None => Ok(()),
    }
}

/// Checks that the numbers of rows of a table are in [0, `rows`); a fraction is cut off, as in Keras.
pub fn check_ids(x: &Array, rows: usize, place: &str) -> Result<()> {
    match x.find(|id| !(id > -1.0 && id < rows as f64)) {
        Some((row, id)) => Err(Error::invalid(place, format!("ids in [0, {rows})"), format!("{id} in sample {row}"))),
        None => Ok(()),
    }
}

/// Checks that an array has no NaN and no infinity.
pub fn check_finite(array: &Array, place: &str) -> Result<()> {
    if array.dtype().is_integer() {
        return Ok(());
    }
    match array.find(|value| !value.is_finite()) {
        Some((row, bad)) => Err(Error::invalid(place, "finite numbers", format!("{bad} in row {row}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
