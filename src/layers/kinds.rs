//! The closed set of layers: what a configuration can name.

use super::{
    Kind, activation, batch_norm, categories, concatenate, dense, dot, dropout, embedding, identity, input, merge,
};
use super::{noise, prelu, reshape, row_norm, scaling};
use crate::error::{Error, Result};
use serde_json::Value;
use strum::VariantNames;

macro_rules! kinds {
    ($($class:ident($kind:ty)),* $(,)?) => {
        /// Every kind of layer.
        #[derive(Debug, strum::VariantNames)]
        #[allow(missing_docs, clippy::upper_case_acronyms, reason = "Keras's names say it")]
        pub enum LayerKind {
            $($class(Box<$kind>)),*
        }

        impl LayerKind {
            /// Reads the configuration of a class.
            pub(super) fn parse(class: &str, config: &Value, place: &str) -> Result<Self> {
                match class {
                    $(stringify!($class) => Ok(Self::$class(Box::new(<$kind>::parse(class, config, place)?))),)*
                    other => Err(Error::unknown("layer", other, Self::VARIANTS)),
                }
            }

            pub(super) fn kind(&self) -> &dyn Kind {
                match self {
                    $(Self::$class(kind) => kind.as_ref(),)*
                }
            }
        }
    };
}

kinds! {
    InputLayer(input::InputLayer),
    Dense(dense::Dense),
    Activation(activation::ActivationLayer),
    ReLU(activation::ActivationLayer),
    LeakyReLU(activation::ActivationLayer),
    ELU(activation::ActivationLayer),
    Softmax(activation::ActivationLayer),
    PReLU(prelu::Prelu),
    Identity(identity::Identity),
    Dropout(dropout::Dropout),
    GaussianNoise(noise::GaussianNoise),
    GaussianDropout(noise::GaussianDropout),
    AlphaDropout(noise::AlphaDropout),
    ActivityRegularization(identity::ActivityRegularization),
    Flatten(reshape::Flatten),
    Reshape(reshape::Reshape),
    Permute(reshape::Permute),
    RepeatVector(reshape::RepeatVector),
    Rescaling(scaling::Rescaling),
    Normalization(scaling::Normalization),
    Discretization(categories::Discretization),
    CategoryEncoding(categories::CategoryEncoding),
    BatchNormalization(batch_norm::BatchNormalization),
    LayerNormalization(row_norm::LayerNormalization),
    RMSNormalization(row_norm::RmsNormalization),
    UnitNormalization(row_norm::UnitNormalization),
    Embedding(embedding::Embedding),
    Add(merge::MergeLayer),
    Subtract(merge::MergeLayer),
    Multiply(merge::MergeLayer),
    Average(merge::MergeLayer),
    Maximum(merge::MergeLayer),
    Minimum(merge::MergeLayer),
    Concatenate(concatenate::Concatenate),
    Dot(dot::Dot),
}
