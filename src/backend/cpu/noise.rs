//! Noise by the counter-based generator: each element's depends on stream, step and its place alone.
//!
//! A word w of the generator becomes the uniform number u = (w + ½)/2³², and that the normal number Φ⁻¹(u) by the
//! initializers' approximation, in double precision; |n| stays below 6.4.

use super::elementwise::Share;
use super::gemm::Panels;
use super::lines::used;
use super::simd::PANEL;
use crate::initializers::normal;
use crate::plan::Noise;
use crate::rng::{Stream, dropout_threshold};

/// α′ of an alpha dropout: −scale · alpha of SELU.
const ALPHA: f64 = -1.673_263_242_354_377_2 * 1.050_700_987_355_480_5;

/// y = x·factor + term.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draw {
    pub factor: f32,
    pub term: f32,
}

/// What a word of the generator does to an element.
pub fn draw(noise: Noise, word: u32) -> Draw {
    let unit = || normal((f64::from(word) + 0.5) / 4_294_967_296.0);
    match noise {
        Noise::Gaussian { stddev } => Draw { factor: 1.0, term: (stddev * unit()) as f32 },
        Noise::GaussianDropout { rate } => {
            Draw { factor: (1.0 + (rate / (1.0 - rate)).sqrt() * unit()) as f32, term: 0.0 }
        }
        Noise::AlphaDropout { rate } => {
            let a = ((1.0 - rate) * (1.0 + rate * ALPHA * ALPHA)).powf(-0.5);
            let b = -a * ALPHA * rate;
            if word >= dropout_threshold(rate) {
                Draw { factor: a as f32, term: b as f32 }
            } else {
                Draw { factor: 0.0, term: (a * ALPHA + b) as f32 }
            }
        }
    }
}

/// A stage of noise on a share of its matrix.
pub struct NoiseRows {
    pub noise: Noise,
    pub stream: Stream,
    pub step: u64,
    pub share: Share,
    pub columns: usize,
    pub x: Panels,
    pub y: Panels,
    /// Receives the factors.
    pub saved: Panels,
}

impl NoiseRows {
    /// Draws and applies.
    ///
    /// # Safety
    /// The share must be this worker's alone and within all matrices.
    pub unsafe fn run(self) {
        let rows = self.share.rows;
        for panel in self.share.panels {
            for quad in rows.start / 4..rows.end.div_ceil(4) {
                for lane in 0..used(self.columns, panel) {
                    let words = self.stream.rows::<u32>(self.step, quad as u32, (panel * PANEL + lane) as u32);
                    for (row, &word) in (quad * 4..).zip(&words) {
                        if !rows.contains(&row) {
                            continue;
                        }
                        let Draw { factor, term } = draw(self.noise, word);
                        // SAFETY: the caller's contract.
                        unsafe {
                            *self.saved.at(panel, row).add(lane) = factor;
                            *self.y.at(panel, row).add(lane) = *self.x.at(panel, row).add(lane) * factor + term;
                        }
                    }
                }
            }
        }
    }
}
