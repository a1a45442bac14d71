//! What a configuration says about one variable: initializer, regularizer, constraint.

use super::VariableSpec;
use crate::constraints::Constraint;
use crate::error::Result;
use crate::initializers::Initializer;
use crate::regularizers::Regularizer;
use serde_json::{Value, json};

/// The rules of a variable that is still to be made.
#[derive(Debug)]
pub(super) struct Weight {
    name: &'static str,
    initializer: Initializer,
    regularizer: Option<Regularizer>,
    constraint: Option<Constraint>,
}

impl Weight {
    /// Reads a variable's three arguments, which are called `name_initializer` and so on.
    pub fn parse(
        place: &str,
        name: &'static str,
        initializer: &Value,
        regularizer: &Value,
        constraint: &Value,
    ) -> Result<Self> {
        Ok(Weight {
            name,
            initializer: Initializer::parse(initializer, &format!("{place}: {name}_initializer"))?,
            regularizer: Regularizer::parse(regularizer, &format!("{place}: {name}_regularizer"))?,
            constraint: Constraint::parse(constraint, &format!("{place}: {name}_constraint"))?,
        })
    }

    /// The variable in this shape.
    pub fn spec(&self, shape: Vec<usize>) -> VariableSpec {
        VariableSpec {
            regularizer: self.regularizer,
            constraint: self.constraint.clone(),
            ..VariableSpec::new(self.name, shape, self.initializer)
        }
    }
}

/// Keras's name of the initializer with zeros, for serde's `default`.
pub(super) fn zeros() -> Value {
    json!("zeros")
}

/// The same with ones.
pub(super) fn ones() -> Value {
    json!("ones")
}
