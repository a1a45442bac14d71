//! From Keras's nested configuration to the closed dialect of this crate.
//!
//! Keras writes objects as `{"module": …, "class_name": …, "config": …, "registered_name": …, "build_config": …}`.
//! [`normalise`] keeps `class_name` and `config` and drops the rest, at every depth: a module is never used to
//! import anything. What remains is read into enums and structs that refuse unknown keys.

use crate::error::{Error, Result};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Keys of an object that say where Keras would import it from.
const OBJECT_KEYS: [&str; 5] = ["module", "registered_name", "build_config", "shared_object_id", "compile_config"];

/// Keys of a configuration that have no meaning here; `dtype` must say float32.
const CONFIG_KEYS: [&str; 8] = [
    "lora_rank",
    "lora_alpha",
    "quantization_config",
    "ragged",
    "sparse",
    "optional",
    "batch_input_shape",
    "input_spec",
];

/// Parses JSON text and normalises it.
pub fn parse(text: &str, place: &str) -> Result<Value> {
    let value = serde_json::from_str(text).map_err(|e| Error::invalid(place, "JSON", e.to_string()))?;
    normalise(value, place)
}

/// Keras's nested form without what only Keras needs.
pub fn normalise(value: Value, place: &str) -> Result<Value> {
    match value {
        Value::Object(map) => {
            let is_object = map.contains_key("class_name") && map.contains_key("config");
            let mut kept = Map::new();
            for (key, value) in map {
                if is_object && OBJECT_KEYS.contains(&key.as_str()) {
                    continue;
                }
                if key == "dtype" {
                    check_dtype(&value, place)?;
                    continue;
                }
                if !CONFIG_KEYS.contains(&key.as_str()) {
                    kept.insert(key, normalise(value, place)?);
                }
            }
            Ok(Value::Object(kept))
        }
        Value::Array(items) => {
            Ok(Value::Array(items.into_iter().map(|item| normalise(item, place)).collect::<Result<_>>()?))
        }
        other => Ok(other),
    }
}

fn check_dtype(value: &Value, place: &str) -> Result<()> {
    let name = match value {
        Value::Null => return Ok(()),
        Value::Object(policy) => policy.get("config").and_then(|c| c.get("name")).unwrap_or(value),
        other => other,
    };
    if name == "float32" {
        return Ok(());
    }
    Err(Error::invalid(place, "dtype float32", name.to_string()))
}

/// The class name and configuration of a normalised object.
pub fn object<'a>(value: &'a Value, place: &str) -> Result<(&'a str, &'a Value)> {
    match (value.get("class_name").and_then(Value::as_str), value.get("config")) {
        (Some(class), Some(config)) => Ok((class, config)),
        _ => Err(Error::invalid(place, "an object with class_name and config", value.to_string())),
    }
}

/// Reads a configuration into a struct; serde's text says which key is wrong.
pub fn read<T: DeserializeOwned>(config: &Value, place: &str) -> Result<T> {
    T::deserialize(config).map_err(|e| Error::invalid(place, "a valid configuration", e.to_string()))
}

/// `true`, for serde's `default`.
pub fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nested_form_loses_what_only_keras_needs() {
        let text = r#"{"module": "keras.layers", "class_name": "Dense", "registered_name": null, "build_config": {"x": 1},
            "config": {"units": 3, "dtype": {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}},
            "kernel_initializer": {"module": "keras.initializers", "class_name": "Zeros", "config": {}}}}"#;
        let expected: Value = serde_json::from_str(
            r#"{"class_name": "Dense", "config": {"units": 3, "kernel_initializer": {"class_name": "Zeros", "config": {}}}}"#,
        )
        .unwrap();
        assert_eq!(parse(text, "layer").unwrap(), expected);
    }

    #[test]
    fn another_dtype_is_refused() {
        let error = parse(r#"{"class_name": "Dense", "config": {"dtype": "float16"}}"#, "layer").unwrap_err();
        assert_eq!(error.to_string(), "layer: expected dtype float32, received \"float16\"");
    }
}
