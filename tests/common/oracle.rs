//! Graphs of layers in double precision: plain loops over whole batches, straight from the formulas in Keras's documentation.

use super::{Array, CpuBackend, Graph, Layer, Model, activate};
use ironhorn::activations::Activation;
use ironhorn::config;
use ironhorn::optimizers::{OptimizerConfig, OptimizerState};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// An array with the batch in front.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

impl Tensor {
    pub fn new(shape: &[usize], data: Vec<f64>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len());
        Tensor { shape: shape.to_vec(), data }
    }
    fn from_fn(shape: &[usize], f: impl Fn(&[usize]) -> f64) -> Self {
        let count: usize = shape.iter().product();
        Tensor::new(shape, (0..count).map(|e| f(&index(shape, e))).collect())
    }
    fn at(&self, index: &[usize]) -> f64 {
        self.data[index.iter().zip(&self.shape).fold(0, |e, (i, d)| e * d + i)]
    }
    /// The element that broadcasting puts at `index`, aligned at the last axes.
    fn spread(&self, index: &[usize]) -> f64 {
        let own = &index[index.len() - self.shape.len()..];
        self.at(&own.iter().zip(&self.shape).map(|(&i, &d)| if d == 1 { 0 } else { i }).collect::<Vec<_>>())
    }
    fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Tensor::new(&self.shape, self.data.iter().map(|&x| f(x)).collect())
    }
}

fn index(shape: &[usize], mut e: usize) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for axis in (0..shape.len()).rev() {
        index[axis] = e % shape[axis];
        e /= shape[axis];
    }
    index
}

/// Groups the elements that agree in what `key` keeps of their index; gives each element's mean and variance.
fn moments(x: &Tensor, key: impl Fn(&[usize]) -> Vec<usize>) -> Vec<(f64, f64)> {
    let keys: Vec<Vec<usize>> = (0..x.data.len()).map(|e| key(&index(&x.shape, e))).collect();
    let mut groups: std::collections::HashMap<&[usize], Vec<f64>> = std::collections::HashMap::new();
    for (key, &value) in keys.iter().zip(&x.data) {
        groups.entry(key).or_default().push(value);
    }
    let of = |values: &Vec<f64>| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (mean, values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64)
    };
    keys.iter().map(|key| of(&groups[&key[..]])).collect()
}

fn axes(config: &Value, default: i64, rank: usize) -> Vec<usize> {
    let counted = |a: i64| if a < 0 { (a + rank as i64) as usize } else { a as usize };
    let mut axes: Vec<usize> = match config.get("axis") {
        None => vec![counted(default)],
        Some(Value::Null) => vec![],
        Some(Value::Array(axes)) => axes.iter().map(|a| counted(a.as_i64().unwrap())).collect(),
        Some(axis) => vec![counted(axis.as_i64().unwrap())],
    };
    axes.sort_unstable();
    axes
}

fn keep(index: &[usize], axes: &[usize]) -> Vec<usize> {
    axes.iter().map(|&axis| index[axis]).collect()
}

/// A layer in training; adds to `penalty` what it costs.
fn apply(class: &str, config: &Value, x: &[&Tensor], weights: &[Tensor], penalty: &mut f64) -> Tensor {
    let (first, rank, batch) = (x[0], x[0].shape.len(), x[0].shape[0]);
    let number = |key: &str, default: f64| config.get(key).and_then(Value::as_f64).unwrap_or(default);
    match class {
        "Dense" => {
            let (kernel, bias) = (&weights[0], &weights[1]);
            let activation = Activation::parse(&config["activation"], "test").unwrap();
            let (units, columns) = (bias.data.len(), *first.shape.last().unwrap());
            let row = |row: &[f64]| {
                let sum = |j| bias.data[j] + row.iter().enumerate().map(|(i, x)| x * kernel.at(&[i, j])).sum::<f64>();
                activate(&activation, &(0..units).map(sum).collect::<Vec<_>>())
            };
            let shape = [&first.shape[..rank - 1], &[units]].concat();
            Tensor::new(&shape, first.data.chunks(columns).flat_map(row).collect())
        }
        "Identity" => first.clone(),
        "ActivityRegularization" => {
            let sum: f64 = first.data.iter().map(|x| number("l1", 0.0) * x.abs() + number("l2", 0.0) * x * x).sum();
            *penalty += sum / batch as f64;
            first.clone()
        }
        "PReLU" => Tensor::from_fn(&first.shape, |i| {
            let x = first.at(i);
            if x > 0.0 { x } else { x * weights[0].spread(i) }
        }),
        "Flatten" => Tensor::new(&[batch, first.data.len() / batch], first.data.clone()),
        "Reshape" => {
            let mut shape = vec![batch];
            shape.extend(config["target_shape"].as_array().unwrap().iter().map(|d| d.as_u64().unwrap() as usize));
            Tensor::new(&shape, first.data.clone())
        }
        "Permute" => {
            let dims: Vec<usize> =
                config["dims"].as_array().unwrap().iter().map(|d| d.as_u64().unwrap() as usize).collect();
            let order = [vec![0], dims].concat();
            let shape: Vec<usize> = order.iter().map(|&axis| first.shape[axis]).collect();
            Tensor::from_fn(&shape, |i| {
                let mut from = vec![0; rank];
                order.iter().zip(i).for_each(|(&axis, &i)| from[axis] = i);
                first.at(&from)
            })
        }
        "RepeatVector" => {
            let n = config["n"].as_u64().unwrap() as usize;
            Tensor::from_fn(&[batch, n, first.shape[1]], |i| first.at(&[i[0], i[2]]))
        }
        "Rescaling" => {
            let of = |key: &str, column: usize| match &config[key] {
                Value::Array(all) => all[column].as_f64().unwrap(),
                one => one.as_f64().unwrap_or(0.0),
            };
            Tensor::from_fn(&first.shape, |i| first.at(i) * of("scale", i[rank - 1]) + of("offset", i[rank - 1]))
        }
        "Normalization" => {
            let axes = axes(config, -1, rank);
            let numbers = |key: &str, v: usize, i: &[usize]| match config.get(key) {
                Some(given) => given.as_f64().unwrap_or_else(|| given[*i.last().unwrap()].as_f64().unwrap()),
                None => weights[v].at(&keep(i, &axes)),
            };
            Tensor::from_fn(&first.shape, |i| {
                let (mean, deviation) = (numbers("mean", 0, i), numbers("variance", 1, i).sqrt().max(1e-7));
                let invert = config.get("invert") == Some(&json!(true));
                if invert { mean + first.at(i) * deviation } else { (first.at(i) - mean) / deviation }
            })
        }
        "BatchNormalization" | "LayerNormalization" | "RMSNormalization" | "UnitNormalization" => {
            let axes = axes(config, -1, rank);
            let over_batch = class == "BatchNormalization";
            let others: Vec<usize> = (0..rank).filter(|axis| !axes.contains(axis)).collect();
            let kept = if over_batch { &axes } else { &others };
            let moments = moments(first, |i| keep(i, kept));
            let size: f64 = axes.iter().map(|&axis| first.shape[axis] as f64).product();
            let flag = |key: &str| config.get(key) != Some(&json!(false));
            let mut trained = weights.iter();
            let has_gamma = class == "RMSNormalization" || (class != "UnitNormalization" && flag("scale"));
            let gamma = has_gamma.then(|| trained.next()).flatten();
            let rms = config.get("rms_scaling") == Some(&json!(true));
            let has_beta = (over_batch || class == "LayerNormalization") && flag("center") && !rms;
            let beta = has_beta.then(|| trained.next()).flatten();
            let one = |(e, (mean, variance)): (usize, &(f64, f64))| {
                let (x, own) = (first.data[e], keep(&index(&first.shape, e), &axes));
                let square = variance + mean * mean;
                let y = match class {
                    "UnitNormalization" => x / (square * size).sqrt().max(1e-12),
                    "RMSNormalization" => x / (square + number("epsilon", 1e-6)).sqrt(),
                    _ if rms => x / (variance + number("epsilon", 1e-3)).sqrt(),
                    _ => (x - mean) / (variance + number("epsilon", 1e-3)).sqrt(),
                };
                y * gamma.map_or(1.0, |g| g.at(&own)) + beta.map_or(0.0, |b| b.at(&own))
            };
            Tensor::new(&first.shape, moments.iter().enumerate().map(one).collect())
        }
        "Embedding" => {
            let columns = weights[0].shape[1];
            let shape = [&first.shape[..], &[columns]].concat();
            Tensor::from_fn(&shape, |i| weights[0].at(&[first.at(&i[..rank]) as usize, i[rank]]))
        }
        "Add" | "Subtract" | "Multiply" | "Average" | "Maximum" | "Minimum" => {
            let rank = x.iter().map(|t| t.shape.len()).max().unwrap();
            let aligned: Vec<Tensor> = x
                .iter()
                .map(|t| {
                    let mut shape = t.shape.clone();
                    (shape.len()..rank).for_each(|_| shape.insert(1, 1));
                    Tensor::new(&shape, t.data.clone())
                })
                .collect();
            let shape: Vec<usize> = (0..rank).map(|a| aligned.iter().map(|t| t.shape[a]).max().unwrap()).collect();
            Tensor::from_fn(&shape, |i| {
                let all = aligned.iter().map(|t| t.spread(i));
                match class {
                    "Add" => all.sum(),
                    "Average" => all.sum::<f64>() / aligned.len() as f64,
                    "Multiply" => all.product(),
                    "Maximum" => all.fold(f64::NEG_INFINITY, f64::max),
                    "Minimum" => all.fold(f64::INFINITY, f64::min),
                    _ => aligned[0].spread(i) - aligned[1].spread(i),
                }
            })
        }
        "Concatenate" => {
            let axis = axes(config, -1, rank)[0];
            let mut shape = first.shape.clone();
            shape[axis] = x.iter().map(|t| t.shape[axis]).sum();
            Tensor::from_fn(&shape, |i| {
                let mut own = i.to_vec();
                let mut parts = x.iter();
                loop {
                    let part = parts.next().unwrap();
                    if own[axis] < part.shape[axis] {
                        return part.at(&own);
                    }
                    own[axis] -= part.shape[axis];
                }
            })
        }
        "Dot" => dot(config, x[0], x[1]),
        other => panic!("the oracle has no {other}"),
    }
}

fn dot(config: &Value, x: &Tensor, y: &Tensor) -> Tensor {
    let counted = |a: &Value, rank: usize| {
        let a = a.as_i64().unwrap();
        if a < 0 { (a + rank as i64) as usize } else { a as usize }
    };
    let given = &config["axes"];
    let [a, b] = [(0, x), (1, y)].map(|(i, t)| counted(given.get(i).unwrap_or(given), t.shape.len()));
    let without = |shape: &[usize], axis: usize| [&shape[..axis], &shape[axis + 1..]].concat();
    let (left, right) = (without(&x.shape, a), without(&y.shape, b)[1..].to_vec());
    let mut shape = [&left[..], &right].concat();
    let scalar = shape.len() == 1;
    if scalar {
        shape.push(1);
    }
    Tensor::from_fn(&shape, |i| {
        let i = if scalar { &i[..1] } else { i };
        let (own, other) = (&i[..left.len()], [&i[..1], &i[left.len()..]].concat());
        let term =
            |t: &Tensor, base: &[usize], axis: usize, k: usize| t.at(&[&base[..axis], &[k], &base[axis..]].concat());
        let each = |f: &dyn Fn(usize) -> f64| (0..x.shape[a]).map(f).sum::<f64>();
        let product = each(&|k| term(x, own, a, k) * term(y, &other, b, k));
        if config.get("normalize") == Some(&json!(true)) {
            let norms = each(&|k| term(x, own, a, k).powi(2)).sqrt() * each(&|k| term(y, &other, b, k).powi(2)).sqrt();
            return product / norms;
        }
        product
    })
}

/// A graph of layers: values are numbered, the inputs first, then one a node; the last node is the output.
pub struct Net {
    pub inputs: Vec<Vec<usize>>,
    pub nodes: Vec<(&'static str, Value, Vec<usize>)>,
}

impl Net {
    /// A chain after one input.
    pub fn chain(input: &[usize], layers: Vec<(&'static str, Value)>) -> Self {
        let nodes = layers.into_iter().enumerate().map(|(i, (class, config))| (class, config, vec![i])).collect();
        Net { inputs: vec![input.to_vec()], nodes }
    }

    pub fn model(&self, backend: CpuBackend, optimizer: &Value) -> Arc<Model> {
        let layer = |(i, (class, config, from)): (usize, &(&'static str, Value, Vec<usize>))| {
            let mut config = config.clone();
            config["name"] = json!(format!("{}_{i}", class.to_lowercase()));
            let value = config::normalise(json!({"class_name": class, "config": config}), "test").unwrap();
            (Arc::new(Layer::from_value(&value).unwrap()), from.clone())
        };
        let nodes: Vec<_> = self.nodes.iter().enumerate().map(layer).collect();
        let outputs = vec![self.inputs.len() + nodes.len() - 1];
        let graph = Graph { nodes, input_shapes: self.inputs.clone(), outputs };
        graph.build(11).unwrap();
        let model = Arc::new(Model::on(graph, 11, Box::new(backend)).unwrap());
        let optimizer = OptimizerState::new(OptimizerConfig::parse(optimizer).unwrap());
        model.compile(Arc::new(Mutex::new(optimizer)), &json!({"loss": "mse", "metrics": []})).unwrap();
        model
    }

    /// The output, and the penalties, of a training step; `weights` are those of the layers one after the other.
    pub fn forward(&self, weights: &[Vec<Tensor>], inputs: &[Tensor]) -> (Tensor, f64) {
        let (mut values, mut penalty) = (inputs.to_vec(), 0.0);
        for ((class, config, from), weights) in self.nodes.iter().zip(weights) {
            let x: Vec<&Tensor> = from.iter().map(|&v| &values[v]).collect();
            let y = apply(class, config, &x, weights, &mut penalty);
            values.push(y);
        }
        (values.pop().unwrap(), penalty)
    }

    /// The mean squared error with the penalties.
    pub fn loss(&self, weights: &[Vec<Tensor>], inputs: &[Tensor], target: &[f64]) -> f64 {
        let (y, penalty) = self.forward(weights, inputs);
        assert_eq!(y.data.len(), target.len());
        y.data.iter().zip(target).map(|(y, t)| (y - t).powi(2)).sum::<f64>() / target.len() as f64 + penalty
    }
}

/// The variables of a model, layer by layer.
pub fn variables(model: &Model) -> Vec<Vec<Tensor>> {
    let values = |v: &Arc<ironhorn::params::Variable>| {
        Tensor::new(v.shape(), v.values().unwrap().into_iter().map(f64::from).collect())
    };
    model.graph().nodes.iter().map(|(layer, _)| layer.variables().iter().map(values).collect()).collect()
}

/// Arrays of a net's inputs.
pub fn arrays(inputs: &[Tensor]) -> Vec<Array> {
    let single = |t: &Tensor| Array::new(t.data.iter().map(|&x| x as f32).collect::<Vec<f32>>(), &t.shape).unwrap();
    inputs.iter().map(single).collect()
}

/// The same input in single precision and back, so that both sides read the same numbers.
pub fn rounded(shape: &[usize], data: Vec<f32>) -> Tensor {
    Tensor::new(shape, data.into_iter().map(f64::from).collect()).map(|x| x)
}
