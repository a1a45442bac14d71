//! Memory that will be needed soon, asked for a few lines at a time while something else is computed. What is far away and in
//! pieces too short for the hardware to foresee would else be waited for.

use super::simd::PANEL;

/// Runs of lines, and how many of them were asked for.
#[derive(Clone, Copy)]
pub struct Ahead {
    start: *const f32,
    /// Lines in a run.
    run: usize,
    /// Floats from one run to the next.
    stride: usize,
    runs: usize,
    /// Lines asked for so far.
    done: usize,
    /// Lines to ask for at a time.
    step: usize,
}

impl Ahead {
    /// `runs` runs of `run` lines from `start` on, `stride` floats apart.
    pub fn new(start: *const f32, run: usize, stride: usize, runs: usize) -> Self {
        Ahead { start, run, stride, runs, done: 0, step: 0 }
    }

    /// Nothing.
    pub fn nothing() -> Self {
        Self::new(std::ptr::null(), 0, 0, 0)
    }

    /// The same, asked for in so many steps.
    pub fn over(self, steps: usize) -> Self {
        Ahead { step: self.lines().div_ceil(steps.max(1)), ..self }
    }

    fn lines(&self) -> usize {
        self.run * self.runs
    }

    /// Asks for the lines of a step.
    #[inline(always)]
    pub fn ask(&mut self) {
        for at in self.done..(self.done + self.step).min(self.lines()) {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a prefetch reads nothing, wherever it points.
            unsafe {
                use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
                let offset = at / self.run * self.stride + at % self.run * PANEL;
                _mm_prefetch::<_MM_HINT_T1>(self.start.wrapping_add(offset).cast());
            }
        }
        self.done += self.step;
    }
}
