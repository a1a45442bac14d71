//! candle as a peer: trains the network that a folder describes, as `benches/peers/candle_rs.py` writes it, and prints a
//! line of JSON an epoch. `rust-peers FOLDER EPOCHS`
//!
//! The folder: `job.json`; `x` (float32, row by row), `y` (int64 classes or float32), `w0`, `w1`, … (kernels by inputs, biases).

use candle_core::{Device, Result, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, SGD, loss, ops};
use serde_json::{Value, json};
use std::{fs, path::Path, time::Instant};

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-7;

fn floats(path: &Path) -> Vec<f32> {
    let bytes = fs::read(path).expect("a file of the folder");
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four bytes"))).collect()
}

/// Logits, or the linear output.
fn network(vars: &[Var], mut x: Tensor, dropout: f32) -> Result<Tensor> {
    let last = vars.len() / 2 - 1;
    for layer in 0..=last {
        x = x.matmul(&vars[2 * layer])?.broadcast_add(&vars[2 * layer + 1])?;
        if layer < last {
            x = x.relu()?;
            if dropout > 0.0 {
                x = ops::dropout(&x, dropout)?;
            }
        }
    }
    Ok(x)
}

/// Seconds of processor time of all threads so far, in hundredths.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks = |i: usize| fields[i].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / 100.0
}

/// A random order of the rows.
fn shuffle(order: &mut [u32], state: &mut u64) {
    for i in (1..order.len()).rev() {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        order.swap(i, (*state % (i as u64 + 1)) as usize);
    }
}

enum Rule {
    Adam(AdamW),
    Sgd(SGD),
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("a folder");
    let folder = Path::new(&folder);
    let epochs: usize = arguments.next().expect("a number of epochs").parse().expect("a number");
    let text = fs::read_to_string(folder.join("job.json")).expect("job.json");
    let job: Value = serde_json::from_str(&text).expect("JSON");
    let number = |name: &str| job[name].as_f64().expect("a number");
    let (rows, batch, rate) = (number("rows") as usize, number("batch") as usize, number("rate"));
    let widths: Vec<usize> =
        job["widths"].as_array().expect("widths").iter().map(|w| w.as_u64().expect("a width") as usize).collect();
    let classes = widths[widths.len() - 1] > 1;

    let cpu = &Device::Cpu;
    let x = Tensor::from_vec(floats(&folder.join("x")), (rows, widths[0]), cpu)?;
    let y = if classes {
        let bytes = fs::read(folder.join("y")).expect("y");
        let y = bytes.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().expect("eight bytes")) as u32);
        Tensor::from_vec(y.collect::<Vec<_>>(), rows, cpu)?
    } else {
        Tensor::from_vec(floats(&folder.join("y")), (rows, 1), cpu)?
    };
    let mut vars = Vec::new();
    for (layer, ends) in widths.windows(2).enumerate() {
        let kernel = floats(&folder.join(format!("w{}", 2 * layer)));
        let bias = floats(&folder.join(format!("w{}", 2 * layer + 1)));
        vars.push(Var::from_tensor(&Tensor::from_vec(kernel, (ends[0], ends[1]), cpu)?)?);
        vars.push(Var::from_tensor(&Tensor::from_vec(bias, ends[1], cpu)?)?);
    }
    let mut rule = if job["optimizer"] == "adam" {
        let params = ParamsAdamW { lr: rate, beta1: BETA_1, beta2: BETA_2, eps: EPSILON, weight_decay: 0.0 };
        Rule::Adam(AdamW::new(vars.clone(), params)?)
    } else {
        Rule::Sgd(SGD::new(vars.clone(), rate)?)
    };

    let mut order: Vec<u32> = (0..rows as u32).collect();
    let mut state = 0x9E37_79B9_7F4A_7C15 ^ number("seed") as u64;
    for _ in 0..epochs {
        let (cpu_before, start) = (cpu_seconds(), Instant::now());
        if job["shuffle"] == true {
            shuffle(&mut order, &mut state);
        }
        let mut total = 0.0;
        for part in order.chunks_exact(batch) {
            let index = Tensor::from_slice(part, batch, cpu)?;
            let out = network(&vars, x.index_select(&index, 0)?, number("dropout") as f32)?;
            let wanted = y.index_select(&index, 0)?;
            let loss = if classes { loss::cross_entropy(&out, &wanted)? } else { loss::mse(&out, &wanted)? };
            match &mut rule {
                Rule::Adam(adam) => adam.backward_step(&loss)?,
                Rule::Sgd(sgd) => sgd.backward_step(&loss)?,
            }
            total += f64::from(loss.to_scalar::<f32>()?);
        }
        let seconds = start.elapsed().as_secs_f64();
        let loss = total / (rows / batch) as f64;
        println!("{}", json!({"seconds": seconds, "cpu_seconds": cpu_seconds() - cpu_before, "loss": loss}));
    }
    Ok(())
}
