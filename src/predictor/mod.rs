//! Predictors: what a service keeps of a model.
//!
//! A [`Predictor`] is an immutable copy of the weights with a compiled plan. Training goes on beside it and does not change
//! it. Any number of threads may ask at the same time: a chain of layers on rows (dense ones, activations, normalizations)
//! is computed in memory of the caller's thread, without a lock and, from the second call of a size on, without an allocation;
//! every other graph goes through the engine's own executors, which a call borrows from a stock. On another device than the CPU
//! calls take turns (`lanes.rs`).

mod lanes;

use crate::backend::Device;
use crate::backend::cpu::simd::Level;
use crate::backend::cpu::{Chain, CpuBackend, Source, Stock, Storage};
use crate::data::{Array, Feed, check_finite};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::params::zeros;
use lanes::Lanes;
use std::sync::Arc;

/// How the weights of dense layers are stored; sums are of `f32` everywhere but in int8, whose are exact.
///
/// y = x · W + b with narrow weights differs from that in `f32`, besides rounding, by at most:
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::EnumString, strum::Display, strum::VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum Precision {
    /// 32 bits: the bits of [`Model::predict`].
    #[default]
    F32,
    /// float16: 2⁻¹¹·Σ|xᵢwᵢⱼ|, where weights are 0 or at least 2⁻¹⁴; smaller ones are off by up to 2⁻²⁵ each. Weights beyond
    /// 65504 are refused.
    F16,
    /// bfloat16, to which x is rounded as well: (2⁻⁷ + 2⁻¹⁶)·Σ|xᵢwᵢⱼ|. Numbers below 2⁻¹²⁶ are 0.
    Bf16,
    /// Bytes, x too, in steps s of the range that it had in calibration: ½Σ(|wᵢⱼ|s + |xᵢ|tⱼ + ½stⱼ) for x within this range,
    /// with tⱼ = maxᵢ|wᵢⱼ|/127. What lies beyond the range is held at its ends.
    Int8,
}

/// How a predictor is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// How weights are stored. All but [`Precision::F32`] need a chain of layers on rows.
    pub precision: Precision,
    /// Samples like those to come, for [`Precision::Int8`] alone, which needs them.
    pub calibration: Option<Array>,
    /// The instruction set; the best one by default. Narrow weights give the same numbers on all of them, as far as stated
    /// above, but for float16.
    pub level: Level,
    /// Where it runs: the CPU or an adapter, which takes [`Precision::F32`] alone.
    pub device: Device,
}

impl Default for Options {
    fn default() -> Self {
        Options { precision: Precision::F32, calibration: None, level: Level::current(), device: Device::Cpu }
    }
}

/// Weights of one moment, and how to ask them.
pub struct Predictor {
    model: Arc<Model>,
    inputs: Vec<Vec<usize>>,
    outputs: Vec<Vec<usize>>,
    /// Numbers of a sample, of the one input and of the one output.
    widths: Option<[usize; 2]>,
    route: Route,
}

enum Route {
    Chain(Chain),
    Any(Stock),
    Elsewhere(Lanes),
}

impl Model {
    /// A predictor with the weights as they are now; while somebody trains, as they were between two recent steps.
    pub fn predictor(self: &Arc<Self>, options: &Options) -> Result<Predictor> {
        options.check_device()?;
        let weights = self.snapshot()?;
        let chain = |how| Chain::new(self.plan(), &weights, options.level, how);
        let ranges = match (options.precision, &options.calibration) {
            (Precision::Int8, Some(x)) => {
                self.check_inputs(std::slice::from_ref(x)).map_err(|error| error.at("calibrate"))?;
                check_finite(x, "calibrate")?;
                chain(Storage::Whole)?.map(|chain| chain.ranges(x)).transpose()?.unwrap_or_default()
            }
            (Precision::Int8, None) => {
                return Err(Error::invalid("calibrate", "samples like those to come, for int8", "None"));
            }
            (other, Some(_)) => {
                return Err(Error::invalid("calibrate", "None but for int8", format!("an array, for {other}")));
            }
            _ => Vec::new(),
        };
        let how = match options.precision {
            Precision::F32 => Storage::Whole,
            Precision::F16 => Storage::Halves,
            Precision::Bf16 => Storage::Bfloats,
            Precision::Int8 => Storage::Bytes(&ranges),
        };
        let route = match (options.device, if options.device == Device::Cpu { chain(how)? } else { None }) {
            (Device::Cpu, Some(chain)) => Route::Chain(chain),
            (Device::Gpu(_), _) => Route::Elsewhere(Lanes::new(options.device, self.plan().clone(), weights)?),
            _ => {
                let backend = CpuBackend { level: options.level, ..CpuBackend::default() };
                Route::Any(Stock::new(backend, self.plan().clone(), weights))
            }
        };
        let (inputs, outputs) = (self.graph().input_shapes.clone(), self.output_shapes());
        let widths = match (&inputs[..], &outputs[..]) {
            ([input], [output]) => Some([input, output].map(|shape| shape.iter().product())),
            _ => None,
        };
        Ok(Predictor { model: self.clone(), inputs, outputs, widths, route })
    }
}

impl Options {
    fn check_device(&self) -> Result<()> {
        match (self.device, self.precision) {
            (Device::Cpu, _) | (Device::Gpu(_), Precision::F32) => Ok(()),
            (Device::Gpu(_), narrow) => {
                Err(Error::invalid("precision", format!("f32 on the device \"{}\"", self.device), narrow.to_string()))
            }
            (Device::Auto, _) => {
                let expected = "\"cpu\", \"gpu\" or \"gpu:N\", since a predictor's calls are of any size";
                Err(Error::invalid("device", expected, "\"auto\""))
            }
        }
    }
}

impl Predictor {
    /// Where it runs.
    pub fn device(&self) -> Device {
        match &self.route {
            Route::Elsewhere(lanes) => lanes.device,
            Route::Chain(_) | Route::Any(_) => Device::Cpu,
        }
    }
    /// The shape of one sample of each input.
    pub fn input_shapes(&self) -> &[Vec<usize>] {
        &self.inputs
    }
    /// The shape of one sample of each output.
    pub fn output_shapes(&self) -> &[Vec<usize>] {
        &self.outputs
    }

    /// The output for contiguous samples of a model of one input and one output, row-major, into `out`.
    ///
    /// ```
    /// use ironhorn::{Sequential, predictor::Options};
    ///
    /// let model = Sequential::new(&[2], 42).dense(16, "relu")?.dense(3, "softmax")?.build()?;
    /// let predictor = model.predictor(&Options::default())?;
    /// let mut probabilities = [0.0; 3];
    /// predictor.predict_into(&[0.2, 0.9], &mut probabilities)?;
    /// assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    /// # Ok::<(), ironhorn::Error>(())
    /// ```
    pub fn predict_into(&self, x: &[f32], out: &mut [f32]) -> Result<()> {
        let Some([width, made]) = self.widths else {
            let expected = "predict_arrays_into for a model of several inputs or outputs";
            return Err(Error::invalid("x", expected, "one array for one input"));
        };
        let rows = x.len().checked_div(width).unwrap_or(0);
        if rows == 0 || rows * width != x.len() {
            return Err(Error::invalid("x", format!("samples of {width} numbers"), format!("{} numbers", x.len())));
        }
        if out.len() != rows * made {
            let expected = format!("{rows} samples of {made} numbers");
            return Err(Error::invalid("out", expected, format!("{} numbers", out.len())));
        }
        match &self.route {
            // SAFETY: both slices have as many samples.
            Route::Chain(chain) => unsafe { chain.predict(Source::Rows(x.as_ptr()), rows, out.as_mut_ptr()) },
            Route::Any(_) | Route::Elsewhere(_) => {
                let shape = [&[rows], &self.inputs[0][..]].concat();
                self.predict_arrays_into(vec![Array::new(x.to_vec(), &shape)?], &mut [out])
            }
        }
    }

    /// The outputs for arrays of any dtype and layout, one an input, row-major, each into its part of `out`.
    pub fn predict_arrays_into(&self, x: Vec<Array>, out: &mut [&mut [f32]]) -> Result<()> {
        self.model.check_inputs(&x)?;
        let rows = x[0].rows();
        let sizes = self.output_sizes(rows);
        if !out.iter().map(|out| out.len()).eq(sizes.iter().copied()) {
            let received = out.iter().map(|out| out.len()).collect::<Vec<_>>();
            return Err(Error::invalid("out", format!("{sizes:?} numbers"), format!("{received:?}")));
        }
        match (&self.route, &x[..], &mut *out) {
            // SAFETY: the array was held against the input's shape, and `out` has the outputs' size.
            (Route::Chain(chain), [x], [out]) => unsafe { chain.predict(Source::Array(x), rows, out.as_mut_ptr()) },
            (Route::Chain(_), ..) => Err(Error::Internal("a chain has one input and one output".into())),
            (Route::Any(stock), ..) => stock.predict(Arc::new(Feed { inputs: x, ..Feed::default() }), out),
            (Route::Elsewhere(lanes), ..) => lanes.predict(Arc::new(Feed { inputs: x, ..Feed::default() }), out),
        }
    }

    /// The outputs for arrays, one an input, row-major.
    pub fn predict(&self, x: Vec<Array>) -> Result<Vec<Vec<f32>>> {
        let rows = x.first().map_or(0, Array::rows);
        let sizes = self.output_sizes(rows);
        let mut out = sizes.iter().map(|&size| zeros(size, "predictions")).collect::<Result<Vec<_>>>()?;
        let mut parts: Vec<&mut [f32]> = out.iter_mut().map(Vec::as_mut_slice).collect();
        self.predict_arrays_into(x, &mut parts)?;
        Ok(out)
    }

    /// Whether the model is a chain, see above.
    pub fn is_chain(&self) -> bool {
        matches!(self.route, Route::Chain(_))
    }

    /// Floating-point operations of a sample, as far as they are counted.
    #[cfg(feature = "python")]
    pub(crate) fn work(&self) -> f64 {
        match &self.route {
            Route::Chain(chain) => chain.work(),
            Route::Any(_) | Route::Elsewhere(_) => 0.0,
        }
    }

    /// Contiguous samples through a chain.
    ///
    /// # Safety
    /// `x` must be readable for `rows` samples, `out` writable for their outputs, and nobody else may touch that.
    #[cfg(feature = "python")]
    pub(crate) unsafe fn predict_rows(&self, x: *const f32, rows: usize, out: *mut f32) -> Result<()> {
        match &self.route {
            // SAFETY: the caller's contract.
            Route::Chain(chain) => unsafe { chain.predict(Source::Rows(x), rows, out) },
            Route::Any(_) | Route::Elsewhere(_) => Err(Error::Internal("a chain was expected".into())),
        }
    }

    fn output_sizes(&self, rows: usize) -> Vec<usize> {
        self.outputs.iter().map(|shape| rows.saturating_mul(shape.iter().product())).collect()
    }
}
