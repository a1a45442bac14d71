//! Each thread's working memory: it grows to what the largest call needed and is used again by the next.

use crate::backend::cpu::simd::PANEL;
use crate::error::Result;
use crate::params::{Line, Lines, lines};
use std::cell::Cell;
use std::mem::MaybeUninit;

thread_local! {
    static ROOM: Cell<Lines> = const { Cell::new(Vec::new()) };
}

/// Lines that fit on the stack: what a small net needs for one row.
const SMALL: usize = 32;

/// Calls `work` with so many floats, aligned to a cache line and of any value, which are the thread's alone.
pub fn with_room<T>(floats: usize, work: impl FnOnce(*mut f32) -> T) -> Result<T> {
    let count = floats.div_ceil(PANEL);
    if count <= SMALL {
        let mut small = MaybeUninit::<[Line; SMALL]>::uninit();
        let start: *mut Line = small.as_mut_ptr().cast();
        // SAFETY: no more than there are; what lies beyond is not used.
        unsafe { start.write_bytes(0, count) };
        return Ok(work(start.cast()));
    }
    // A thread that is about to end has no room any more, and one inside `work` has lent it: both get their own.
    let mut room = ROOM.try_with(Cell::take).unwrap_or_default();
    if room.len() < count {
        room = lines(count, "room for a prediction")?;
    }
    let result = work(room.as_mut_ptr().cast());
    let _ = ROOM.try_with(|cell| cell.set(room));
    Ok(result)
}
