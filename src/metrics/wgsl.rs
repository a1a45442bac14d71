//! The row means that the GPU computes, as WGSL.

use super::Metric;
use crate::losses::{Head, Loss};

impl Metric {
    /// WGSL of a function `name(row, from_row)` for one row of a shader, which has the text of [`Metric::common_wgsl`].
    ///
    /// # Panics
    /// Where [`Metric::is_row_mean`] says no.
    pub fn wgsl(&self, name: &str) -> String {
        let of_loss = |loss: &Loss| {
            let inner = format!("{name}_loss");
            (loss.wgsl(&inner, Head::Plain), format!("{inner}(row, from_row, 0.0f, false)"))
        };
        let (before, call) = match self {
            Self::BinaryAccuracy { threshold } => {
                let threshold = crate::symbol::literal(*threshold);
                (String::new(), format!("binary_accuracy(row, from_row, {threshold})"))
            }
            Self::CategoricalAccuracy | Self::SparseCategoricalAccuracy => {
                (String::new(), "class_accuracy(row, from_row)".into())
            }
            Self::Accuracy => (String::new(), "accuracy(row, from_row)".into()),
            Self::TopKCategoricalAccuracy { k } | Self::SparseTopKCategoricalAccuracy { k, from_sorted_ids: false } => {
                (String::new(), format!("in_top_k(row, from_row, {})", crate::symbol::literal(*k as f64)))
            }
            Self::SparseTopKCategoricalAccuracy { k, from_sorted_ids: true } => {
                (String::new(), format!("among_first(row, from_row, {}u)", (*k).min(u32::MAX as usize)))
            }
            Self::CosineSimilarity => (String::new(), "cosine_of(row, from_row)".into()),
            Self::PearsonCorrelation => (String::new(), "pearson(row, from_row)".into()),
            Self::ConcordanceCorrelation => (String::new(), "concordance(row, from_row)".into()),
            Self::RootMeanSquaredError => of_loss(&Loss::MeanSquaredError),
            Self::Loss(loss) => of_loss(loss),
            Self::Confusion(_) | Self::FScore(_) | Self::R2(_) | Self::IoU(_) => {
                panic!("{} is no mean over rows", self.name())
            }
        };
        format!("{before}fn {name}(row: u32, from_row: u32) -> f32 {{\n    return {call};\n}}\n")
    }

    /// Whether several invocations may share a row.
    pub fn joins_columns(&self) -> bool {
        if let Self::Loss(loss) = self { loss.joins_columns() } else { true }
    }

    /// What the metrics of a shader share.
    pub fn common_wgsl() -> &'static str {
        concat!(include_str!("accuracy.wgsl"), include_str!("correlation.wgsl"))
    }
}
