//! Reading `{"class_name": …, "config": {…}}`, the form in which Keras names an object and its arguments.
//!
//! A bare string is the same with every argument at its default; `{"class_name": "function", "config": "relu"}` is
//! how Keras writes a function. Keys beside those two (`module`, `registered_name`, …) are never looked at.

use crate::error::{Error, Result};
use serde_json::{Map, Value};

/// A named object with its arguments, borrowed from a configuration.
#[derive(Debug)]
pub struct Spec<'a> {
    /// The class name, or the function's.
    pub name: &'a str,
    place: String,
    config: Option<&'a Map<String, Value>>,
}

impl<'a> Spec<'a> {
    /// Splits `value` into a name and arguments; `place` is what the errors call it.
    pub fn parse(value: &'a Value, place: &str) -> Result<Self> {
        let wrong = |value: &Value| {
            Error::wrong_type(place, "a name, or an object with 'class_name' and 'config'", value.to_string())
        };
        let (name, config) = match value {
            Value::String(name) => (name.as_str(), None),
            Value::Object(object) => {
                let name = object.get("class_name").and_then(Value::as_str).ok_or_else(|| wrong(value))?;
                match object.get("config") {
                    None | Some(Value::Null) => (name, None),
                    Some(Value::Object(config)) => (name, Some(config)),
                    Some(Value::String(function)) if name == "function" => (function.as_str(), None),
                    Some(_) => return Err(wrong(value)),
                }
            }
            _ => return Err(wrong(value)),
        };
        Ok(Spec { name, place: place.to_string(), config })
    }

    /// What an error about the argument `key` calls its place.
    pub fn place(&self, key: &str) -> String {
        format!("{} '{}', argument '{key}'", self.place, self.name)
    }

    /// The error that nothing is called like this.
    pub fn unknown<S: AsRef<str>>(&self, known: &[S]) -> Error {
        Error::unknown(&self.place, self.name, known)
    }

    /// The argument as it came; `None` where it is absent or null.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.config?.get(key).filter(|v| !v.is_null())
    }

    /// Whether the argument is there at all, null or not.
    pub fn has(&self, key: &str) -> bool {
        self.config.is_some_and(|config| config.contains_key(key))
    }

    /// Refuses every argument that is not in `known`.
    pub fn only(&self, known: &[&str]) -> Result<()> {
        match self.config.and_then(|c| c.keys().find(|k| !known.contains(&k.as_str()))) {
            None => Ok(()),
            Some(key) if known.is_empty() => Err(Error::invalid(self.place(key), "no argument", format!("'{key}'"))),
            Some(key) => Err(Error::unknown(&format!("{} '{}', argument", self.place, self.name), key, known)),
        }
    }

    /// A finite number, if it is given.
    pub fn optional_number(&self, key: &str) -> Result<Option<f64>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_f64() {
            Some(x) if x.is_finite() => Ok(Some(x)),
            _ => Err(Error::wrong_type(self.place(key), "a finite number", value.to_string())),
        }
    }

    /// A finite number.
    pub fn number(&self, key: &str, default: f64) -> Result<f64> {
        Ok(self.optional_number(key)?.unwrap_or(default))
    }

    /// A number that passes `test`, which `expected` says in words.
    pub fn number_where(&self, key: &str, default: f64, expected: &str, test: fn(f64) -> bool) -> Result<f64> {
        let x = self.number(key, default)?;
        if test(x) { Ok(x) } else { Err(Error::invalid(self.place(key), expected, x.to_string())) }
    }

    /// An integer, if it is given.
    pub fn integer(&self, key: &str) -> Result<Option<i64>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let integer = value.as_i64();
        integer.map(Some).ok_or_else(|| Error::wrong_type(self.place(key), "an integer", value.to_string()))
    }

    /// True or false.
    pub fn flag(&self, key: &str, default: bool) -> Result<bool> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value.as_bool().ok_or_else(|| Error::wrong_type(self.place(key), "true or false", value.to_string()))
    }

    /// A string, if it is given.
    pub fn text(&self, key: &str) -> Result<Option<&'a str>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let text = value.as_str();
        text.map(Some).ok_or_else(|| Error::wrong_type(self.place(key), "a string", value.to_string()))
    }

    /// Refuses an argument that Keras has and this crate has not, unless it is absent, null or `default`.
    pub fn unavailable(&self, key: &str, default: Option<&Value>) -> Result<()> {
        match self.get(key) {
            Some(value) if Some(value) != default => {
                let expected = format!("{} (anything else is not available yet)", default.unwrap_or(&Value::Null));
                Err(Error::invalid(self.place(key), expected, value.to_string()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_and_arguments() {
        let value = json!({"class_name": "A", "config": {"x": 2, "on": true, "none": null}, "module": "m"});
        let spec = Spec::parse(&value, "loss").unwrap();
        assert_eq!((spec.name, spec.number("x", 1.0), spec.flag("on", false)), ("A", Ok(2.0), Ok(true)));
        assert_eq!((spec.number("none", 3.0), spec.integer("y")), (Ok(3.0), Ok(None)));
        assert!(spec.only(&["x", "on", "none"]).is_ok());
        let function = json!({"class_name": "function", "config": "relu"});
        assert_eq!(Spec::parse(&function, "p").unwrap().name, "relu");
    }

    #[test]
    fn errors_name_the_place() {
        let value = json!({"class_name": "A", "config": {"alhpa": "x"}});
        let spec = Spec::parse(&value, "loss").unwrap();
        assert_eq!(
            spec.number("alhpa", 0.0).unwrap_err().to_string(),
            "loss 'A', argument 'alhpa': expected a finite number, received \"x\""
        );
        assert!(spec.only(&["alpha"]).unwrap_err().to_string().contains("did you mean 'alpha'"));
        assert!(matches!(spec.only(&[]), Err(Error::Invalid { .. })));
        assert!(matches!(spec.unavailable("alhpa", None), Err(Error::Invalid { .. })));
        assert!(matches!(spec.flag("alhpa", true), Err(Error::Type { .. })));
        for bad in [json!(3), json!({"config": {}}), json!({"class_name": "A", "config": 3})] {
            assert!(matches!(Spec::parse(&bad, "loss"), Err(Error::Type { .. })), "{bad}");
        }
    }
}
