//! Each thread's working memory: it grows to what the largest call needed and is used again by the next.

use crate::backend::cpu::simd::PANEL;
use crate::error::Result;
use crate::params::{Lines, lines};
use std::cell::Cell;

thread_local! {
    static ROOM: Cell<Lines> = const { Cell::new(Vec::new()) };
}

/// Calls `work` with so many floats, aligned to a cache line and of any value, which are the thread's alone.
pub fn with_room<T>(floats: usize, work: impl FnOnce(*mut f32) -> T) -> Result<T> {
    let count = floats.div_ceil(PANEL);
    // A thread that is about to end has no room any more, and one inside `work` has lent it: both get their own.
    let mut room = ROOM.try_with(Cell::take).unwrap_or_default();
    if room.len() < count {
        room = lines(count, "room for a prediction")?;
    }
    let result = work(room.as_mut_ptr().cast());
    let _ = ROOM.try_with(|cell| cell.set(room));
    Ok(result)
}
