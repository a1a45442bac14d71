//! Expressions from and to JSON: `[{"op": "y_true"}, {"op": "y_pred"}, {"op": "subtract", "inputs": [0, 1]}, …]`.
//! `constant` and `power` have a number, `value`.

use super::{Expression, NODES, Node, Op, REDUCTIONS};
use crate::error::{Error, Result};
use serde::Serializer;
use serde::ser::SerializeSeq;
use serde_json::{Map, Value, json};
use std::str::FromStr;
use strum::VariantNames;

impl Expression {
    /// Reads the argument `nodes`.
    pub fn parse(value: Option<&Value>, place: &str) -> Result<Self> {
        let list = value.and_then(Value::as_array);
        let list = list.ok_or_else(|| {
            let received = value.unwrap_or(&Value::Null).to_string();
            Error::wrong_type(place, "a list of nodes", received)
        })?;
        if list.is_empty() || list.len() > NODES {
            return Err(Error::invalid(place, format!("from 1 to {NODES} nodes"), list.len().to_string()));
        }
        let (mut nodes, mut reductions): (Vec<Node>, usize) = (Vec::new(), 0);
        for (i, entry) in list.iter().enumerate() {
            let mut node = Node::parse(entry, &nodes, &format!("{place}: node {i}"))?;
            if node.op.reduces() {
                node.slot = reductions;
                reductions += 1;
            }
            nodes.push(node);
        }
        if reductions > REDUCTIONS {
            let expected = format!("at most {REDUCTIONS} of sum, mean and max");
            return Err(Error::invalid(place, expected, reductions.to_string()));
        }
        let levels = nodes.iter().map(|n| n.level).max().unwrap_or(0);
        Ok(Expression { nodes: nodes.into(), levels })
    }
}

impl Node {
    fn parse(entry: &Value, before: &[Node], place: &str) -> Result<Self> {
        let wrong = |expected: &str| Error::wrong_type(place, expected, entry.to_string());
        let fields = entry.as_object().ok_or_else(|| wrong("an object with 'op'"))?;
        let name = fields.get("op").and_then(Value::as_str).ok_or_else(|| wrong("an object with 'op'"))?;
        let op = Op::from_str(name).map_err(|_| Error::unknown(&format!("{place}, 'op'"), name, Op::VARIANTS))?;
        let op = match op {
            Op::Constant(_) => Op::Constant(number(fields, place)?),
            Op::Power(_) => Op::Power(number(fields, place)?),
            other => other,
        };
        let takes_value = matches!(op, Op::Constant(_) | Op::Power(_));
        let known = |key: &str| matches!(key, "op" | "inputs") || (takes_value && key == "value");
        if let Some(extra) = fields.keys().find(|key| !known(key)) {
            return Err(Error::invalid(place, format!("'op' and 'inputs' of '{name}'"), format!("'{extra}'")));
        }
        let empty = Vec::new();
        let given = match fields.get("inputs") {
            None => &empty,
            Some(list) => list.as_array().ok_or_else(|| wrong("'inputs', a list of numbers of nodes"))?,
        };
        if given.len() != op.arity() {
            return Err(Error::invalid(place, format!("{} inputs of '{name}'", op.arity()), given.len().to_string()));
        }
        let (mut inputs, mut level) = ([0; 3], 0);
        for (input, value) in inputs.iter_mut().zip(given) {
            let index = value.as_u64().and_then(|i| usize::try_from(i).ok()).filter(|i| *i < before.len());
            *input = index.ok_or_else(|| Error::invalid(place, "inputs that come before it", value.to_string()))?;
            level = level.max(before[*input].level);
        }
        Ok(Node { op, inputs, level: level + usize::from(op.reduces()), slot: 0 })
    }
}

fn number(fields: &Map<String, Value>, place: &str) -> Result<f64> {
    let value = fields.get("value").unwrap_or(&Value::Null);
    let number = value.as_f64().filter(|x| x.is_finite());
    number.ok_or_else(|| Error::wrong_type(format!("{place}, 'value'"), "a finite number", value.to_string()))
}

/// The nodes as they are read.
pub fn written<S: Serializer>(nodes: &[Node], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(nodes.len()))?;
    for node in nodes {
        let mut entry = json!({"op": node.op.name()});
        if node.op.arity() > 0 {
            entry["inputs"] = json!(node.inputs[..node.op.arity()]);
        }
        if let Op::Constant(value) | Op::Power(value) = node.op {
            entry["value"] = json!(value);
        }
        list.serialize_element(&entry)?;
    }
    list.end()
}
