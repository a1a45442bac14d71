//! Expressions against closed formulas; their gradients are among the finite differences of `losses/tests.rs`.

use super::*;
use crate::losses::{Head, Loss, LossConfig, Target};
use serde_json::{Value, json};

/// An expression of these lines, `"op inputs…"`; a number is a constant, `power:c` a power.
fn expression(lines: &[&str]) -> Loss {
    let nodes: Vec<Value> = lines
        .iter()
        .map(|line| {
            let mut words = line.split(' ');
            let op = words.next().unwrap();
            let inputs: Vec<usize> = words.map(|w| w.parse().unwrap()).collect();
            match (op.parse::<f64>(), op.strip_prefix("power:")) {
                (Ok(value), _) => json!({"op": "constant", "value": value}),
                (_, Some(value)) => json!({"op": "power", "inputs": inputs, "value": value.parse::<f64>().unwrap()}),
                _ => json!({"op": op, "inputs": inputs}),
            }
        })
        .collect();
    parse(json!(nodes)).unwrap()
}

fn parse(nodes: Value) -> crate::error::Result<Loss> {
    let value = json!({"class_name": "expression", "config": {"nodes": nodes, "name": "mine"}});
    LossConfig::parse(&value, "loss").map(|config| config.loss)
}

/// Every operation in one or the other, reductions of one to three levels.
pub(crate) fn samples() -> Vec<Loss> {
    let mut all: Vec<Loss> = [
        // Squared error, by column.
        &["y_true", "y_pred", "subtract 0 1", "square 2"][..],
        // −cos.
        &[
            "y_true",
            "y_pred",
            "multiply 0 1",
            "sum 2",
            "square 0",
            "sum 4",
            "square 1",
            "sum 6",
            "multiply 5 7",
            "sqrt 8",
            "divide 3 9",
            "negative 10",
        ],
        // Crossentropy of logits: max, sum, sum.
        &[
            "y_true",
            "y_pred",
            "max 1",
            "subtract 1 2",
            "exp 3",
            "sum 4",
            "log 5",
            "subtract 3 6",
            "multiply 0 7",
            "sum 8",
            "negative 9",
        ],
        // The standard deviation of the error, over a column's share in it.
        &[
            "y_true",
            "y_pred",
            "subtract 1 0",
            "mean 2",
            "subtract 2 3",
            "square 4",
            "mean 5",
            "0.1",
            "add 6 7",
            "sqrt 8",
            "abs 4",
            "divide 10 9",
            "tanh 11",
            "add 12 9",
        ],
        // Pinball, by where; and the asymmetric rest.
        &[
            "y_true",
            "y_pred",
            "subtract 0 1",
            "0",
            "less 2 3",
            "-0.3",
            "multiply 2 5",
            "0.7",
            "multiply 2 7",
            "where 4 6 8",
            "less_equal 0 1",
            "logical_not 10",
            "logical_or 4 11",
            "logical_and 12 4",
            "equal 13 10",
            "relu 2",
            "multiply 14 15",
            "add 9 16",
        ],
        &[
            "y_true",
            "y_pred",
            "sigmoid 1",
            "softplus 1",
            "expm1 1",
            "log1p 1",
            "add 2 3",
            "multiply 6 4",
            "multiply 7 5",
            "maximum 8 0",
            "power:1.5 1",
            "minimum 9 10",
            "power:-2 1",
            "add 11 12",
            "sign 1",
            "multiply 13 14",
        ],
    ]
    .into_iter()
    .map(expression)
    .collect();
    // As many nodes as there may be.
    let chain = ["y_pred".to_string()].into_iter().chain((1..NODES).map(|i| format!("tanh {}", i - 1)));
    let chain: Vec<String> = chain.collect();
    all.push(expression(&chain.iter().map(String::as_str).collect::<Vec<_>>()));
    for op in <Op as strum::VariantNames>::VARIANTS {
        let used = |loss: &Loss| matches!(loss, Loss::Expression(e) if e.nodes.iter().any(|n| n.op.name() == *op));
        assert!(all.iter().any(used), "{op} is not tested");
    }
    all
}

#[test]
fn expressions_are_the_losses_that_they_spell() {
    let all = samples();
    let logits = Loss::CategoricalCrossentropy { from_logits: true, label_smoothing: 0.0 };
    let pairs = [(&all[0], Loss::MeanSquaredError), (&all[1], Loss::CosineSimilarity), (&all[2], logits)];
    let (y, mut p) = ([0.2, 0.7, 0.1], [0.5, -1.5, 0.25]);
    for (written, known) in pairs {
        let (mut got, mut want) = ([0.0; 3], [0.0; 3]);
        let value = written.row(Head::Plain, Target::Dense(&y[..]), &mut p, Some(&mut got));
        let expected = known.row(Head::Plain, Target::Dense(&y[..]), &mut p, Some(&mut want));
        assert!((value - expected).abs() < 1e-14, "{known:?}: {value}, {expected}");
        for j in 0..3 {
            assert!((got[j] - want[j]).abs() < 1e-14, "{known:?}: {got:?}, {want:?}");
        }
    }
}

#[test]
fn where_protects_the_branch_that_is_not_taken() {
    let safe = expression(&["y_pred", "0", "less 1 0", "log 0", "where 2 3 1"]);
    let mut gradient = [f64::NAN; 2];
    let value = safe.row(Head::Plain, Target::Dense(&[0.0, 0.0]), &mut [0.0, 2.0], Some(&mut gradient));
    assert_eq!((value, gradient), (2.0_f64.ln() / 2.0, [0.0, 0.25]));
}

#[test]
fn expm1_is_exact_for_small_numbers() {
    let loss = expression(&["y_pred", "expm1 0"]);
    for x in [-50.0, -1.5, -0.5, -1e-9, 1e-20, 0.0, 1e-9, 0.3, 5.0] {
        let value = loss.row(Head::Plain, Target::Class(0.0), &mut [x], None);
        assert!((value - f64::exp_m1(x)).abs() <= 1e-15 * f64::exp_m1(x).abs(), "{x}: {value}");
    }
}

#[test]
fn what_is_no_expression_is_refused() {
    let refused = |nodes: Value, part: &str| {
        let error = parse(nodes).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("nodes"), "{error}");
    };
    refused(json!(3), "a list of nodes");
    refused(Value::Null, "a list of nodes");
    refused(json!([]), "from 1 to 128 nodes");
    refused(json!(vec![json!({"op": "y_pred"}); NODES + 1]), "received 129");
    refused(json!([{"op": "y_prd"}]), "did you mean 'y_pred'");
    refused(json!([{"op": 3}]), "an object with 'op'");
    refused(json!(["y_pred"]), "an object with 'op'");
    refused(json!([{"op": "exp", "inputs": [0]}]), "inputs that come before it");
    refused(json!([{"op": "y_pred"}, {"op": "exp", "inputs": [-1]}]), "received -1");
    refused(json!([{"op": "y_pred"}, {"op": "add", "inputs": [0]}]), "2 inputs");
    refused(json!([{"op": "y_pred"}, {"op": "exp", "inputs": 0}]), "'inputs', a list");
    refused(json!([{"op": "constant"}]), "a finite number");
    refused(json!([{"op": "constant", "value": "x"}]), "a finite number");
    refused(json!([{"op": "y_pred", "value": 1.0}]), "'value'");
    let sums: Vec<Value> = std::iter::once(json!({"op": "y_pred"}))
        .chain((0..=REDUCTIONS).map(|i| json!({"op": "sum", "inputs": [i]})))
        .collect();
    refused(json!(sums), "at most 8");
}
