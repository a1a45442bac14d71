//! What a thread may allocate while it builds a model from a file: as many numbers as the file holds, and no more.
//!
//! Layers ask before they make a variable, and check the shapes that pass through them. A configuration that
//! contradicts the tensors beside it is thereby refused before anything of its size exists. The numbers themselves come
//! from the file, so nothing is drawn.

use crate::error::{Error, Result};
use crate::layers::Shape;
use std::cell::Cell;

/// Numbers that a sample may have between two layers, beside as many as the file holds.
const SAMPLE: usize = 1 << 24;

thread_local! {
    /// Numbers left for variables, and the largest sample; `None` outside of loading.
    static LEFT: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
}

/// Puts a thread on a ration until it is dropped.
pub(crate) struct Rationed(Option<(usize, usize)>);

impl Rationed {
    pub(crate) fn new(numbers: usize) -> Self {
        Rationed(LEFT.replace(Some((numbers, numbers.saturating_add(SAMPLE)))))
    }
}

impl Drop for Rationed {
    fn drop(&mut self) {
        LEFT.set(self.0);
    }
}

/// Begins or ends a ration, for a caller whose scopes are Python's.
#[cfg(feature = "python")]
pub(crate) fn set(numbers: Option<usize>) {
    LEFT.set(numbers.map(|numbers| (numbers, numbers.saturating_add(SAMPLE))));
}

/// Takes numbers for a variable. Whether the thread is on a ration, and the numbers will come from a file.
pub(crate) fn take(place: &str, count: Option<usize>) -> Result<bool> {
    let Some((left, sample)) = LEFT.get() else { return Ok(false) };
    match count.and_then(|count| left.checked_sub(count)) {
        Some(rest) => LEFT.set(Some((rest, sample))),
        None => {
            let received = count.map_or("more than memory holds".into(), |count| count.to_string());
            return Err(Error::invalid(place, format!("at most {left} numbers, which the file has left"), received));
        }
    }
    Ok(true)
}

/// Refuses shapes of samples that no file of this size can be about.
pub(crate) fn check_shapes(place: &str, shapes: &[Shape]) -> Result<()> {
    let Some((_, sample)) = LEFT.get() else { return Ok(()) };
    for shape in shapes {
        let count = shape.iter().try_fold(1_usize, |n, d| n.checked_mul(d.unwrap_or(1)));
        if count.is_none_or(|count| count > sample) {
            return Err(Error::invalid(place, format!("a sample of at most {sample} numbers"), format!("{shape:?}")));
        }
    }
    Ok(())
}
