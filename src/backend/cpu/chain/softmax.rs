//! Softmax of one row that lies in memory as it is: columns as lanes, where `rows.rs` has rows as lanes.
//!
//! The maximum and the sum run over the columns one by one, as they do there, and the exponential is the same polynomial in
//! every lane. So both give the same bits.

use super::super::simd::{PANEL, Vector};

/// yⱼ = e^(xⱼ−m)/Σe^(xₖ−m), m = max x.
///
/// # Safety
/// `x` must be readable and `y` writable for `columns` floats rounded up to whole panels.
#[inline(always)]
pub unsafe fn softmax<V: Vector>(x: *const f32, columns: usize, y: *mut f32) {
    // SAFETY: within the caller's columns and panels.
    unsafe {
        let mut max = *x;
        for j in 1..columns {
            let entry = *x.add(j);
            max = if max > entry { max } else { entry };
        }
        let max = V::broadcast(&max);
        let end = columns.next_multiple_of(PANEL);
        for at in (0..end).step_by(V::LANES) {
            (V::load(x.add(at)) - max).exp().store(y.add(at));
        }
        let mut sum = 0.0;
        for j in 0..columns {
            sum += *y.add(j);
        }
        let scale = 1.0 / sum;
        let scale = V::broadcast(&scale);
        for at in (0..end).step_by(V::LANES) {
            (V::load(y.add(at)) * scale).store(y.add(at));
        }
    }
}
