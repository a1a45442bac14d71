//! Kernels alone, against sums in double precision: the three products of a dense layer in every tile, on odd shapes, with the same
//! bits whatever the tile; and rows long and short.

use super::device::Gpu;
use super::dispatch::{Count, Grid, Shape, is_long};
use super::memory::{buffer, staging};
use super::step;
use super::tests::{adapter, kept};
use super::transfer::read_back;
use super::wgsl::{self, Product, TailVariant, Tile, WeightVariant};
use crate::activations::Activation;
use crate::plan::RowMoments;
use serde_json::json;

/// Some numbers in (−1, 1).
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mix = |i: usize| (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(40_503)) >> 8;
    (0..count).map(|i| mix(i) as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// Runs one kernel over buffers of these words; gives back number `result`.
fn run(
    gpu: &Gpu,
    shader: &str,
    shape: Shape,
    grid: Grid,
    samples: usize,
    buffers: &[&[u32]],
    result: usize,
) -> Vec<f32> {
    let pipeline = gpu.pipeline(shader);
    let uniform = |words: &[u32]| {
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let size = 4 * words.len() as u64;
        let made =
            gpu.device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false });
        gpu.queue.write_buffer(&made, 0, bytemuck::cast_slice(words));
        made
    };
    let mut bound = vec![uniform(&step::record(0, samples, 0, 0, &[])), uniform(&shape.words())];
    for words in buffers {
        let made = buffer(gpu, words.len(), "test").unwrap();
        gpu.queue.write_buffer(&made, 0, bytemuck::cast_slice(words));
        bound.push(made);
    }
    let resources = bound.iter().map(wgpu::Buffer::as_entire_binding).enumerate();
    let entries: Vec<_> = resources.map(|(i, resource)| wgpu::BindGroupEntry { binding: i as u32, resource }).collect();
    let group = wgpu::BindGroupDescriptor { label: None, layout: &pipeline.layout, entries: &entries };
    let group = gpu.device.create_bind_group(&group);
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&pipeline.pipeline);
        pass.set_bind_group(0, &group, &[0]);
        let [x, y, z] = grid.groups(samples);
        pass.dispatch_workgroups(x as u32, y as u32, z as u32);
    }
    let count = buffers[result].len();
    let target = staging(gpu, count);
    encoder.copy_buffer_to_buffer(&bound[result + 2], 0, &target, 0, 4 * count as u64);
    let mut out = Vec::new();
    read_back(gpu, encoder, 1, &target, count, || Ok(()), |numbers| out.extend_from_slice(numbers)).unwrap();
    out
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|x| x.to_bits()).collect()
}

/// Holds `found` against Σ a(i, t) · b(t, j), started at s(j), over `k` terms.
#[track_caller]
fn hold(
    name: &str,
    found: &[f32],
    [m, n, k]: [usize; 3],
    a: impl Fn(usize, usize) -> f32,
    b: impl Fn(usize, usize) -> f32,
    s: impl Fn(usize) -> f32,
) {
    // All of small products, every 37th element of others.
    let stride = if m * n * k < 200_000 { 1 } else { 37 };
    for at in (0..m * n).step_by(stride) {
        let (i, j) = (at / n, at % n);
        let (mut sum, mut size) = (f64::from(s(j)), f64::from(s(j).abs()));
        for t in 0..k {
            let term = f64::from(a(i, t)) * f64::from(b(t, j));
            sum += term;
            size += term.abs();
        }
        let apart = (f64::from(found[at]) - sum).abs();
        assert!(
            apart <= 1e-6 * size.max(1e-3),
            "{name}: {} and not {sum} at ({i}, {j}) of {m} × {n}, {k} terms",
            found[at]
        );
    }
}

/// Rows, columns, terms.
const SHAPES: [[usize; 3]; 8] =
    [[1, 1, 1], [7, 13, 251], [13, 8, 7], [509, 16, 10], [129, 132, 33], [251, 65, 40], [3, 4097, 5], [130, 260, 8]];

fn tiles(rows: usize, columns: usize) -> impl Iterator<Item = Product> {
    Tile::all().into_iter().map(move |tile| Product { tile, ..Product::of(rows, columns) })
}

#[test]
fn every_tile_is_within_what_any_device_has() {
    for tile in Tile::all() {
        let ([x, y], [a, b]) = (tile.invocations(), tile.quads());
        assert!(x * y <= 256 && 16 * (a + b) <= 16 << 10, "{tile:?}");
        // As many reads for each invocation, and rounds of four terms.
        for length in [tile.rows, tile.columns] {
            assert_eq!(length / 4 * tile.depth % (x * y), 0, "{tile:?}");
        }
        assert_eq!(tile.depth % 4, 0);
    }
}

#[test]
fn the_tile_goes_by_the_shape() {
    let tile = |rows, columns| {
        let tile = Tile::of(rows, columns);
        (tile.rows, tile.columns)
    };
    assert_eq!([tile(1, 4096), tile(60_000, 10), tile(1, 1)], [(16, 64), (64, 16), (64, 16)]);
    assert_eq!([tile(32, 128), tile(256, 1024), tile(256, 2048)], [(32, 32), (64, 64), (128, 64)]);
    assert_eq!([tile(512, 2048), tile(4096, 4096)], [(128, 128); 2]);
}

#[test]
fn forward_in_every_tile() {
    let _kept = kept();
    let Some(gpu) = adapter() else { return };
    for [m, n, k] in SHAPES {
        let (x, kernel, bias) = (numbers(2 * m * k, 1), numbers(k * n, 2), numbers(n, 3));
        // Every other sample of the data set, from the last to the first.
        let order: Vec<u32> = (0..m as u32).map(|i| 2 * (m as u32 - 1 - i)).collect();
        let mut first: Option<Vec<f32>> = None;
        for product in tiles(m, n) {
            let shader = wgsl::dense(TailVariant::default(), true, true, product);
            let shape = Shape { per_sample: 1, depth: k, columns: n, ..Shape::default() };
            let (void, y) = ([0; 4], vec![0; m * n]);
            let buffers = [&bits(&x)[..], &bits(&kernel), &bits(&bias), &order, &void, &y, &void];
            let found = run(&gpu, &shader, shape, Grid::Tiles(Count::PerSample(1), n, product.tile), m, &buffers, 5);
            let name = format!("forward {:?}", product.tile);
            hold(&name, &found, [m, n, k], |i, t| x[order[i] as usize * k + t], |t, j| kernel[t * n + j], |j| bias[j]);
            assert_eq!(bits(first.get_or_insert(found.clone())), bits(&found), "{name}");
        }
    }
}

#[test]
fn input_gradients_in_every_tile() {
    let _kept = kept();
    let Some(gpu) = adapter() else { return };
    for [m, n, k] in SHAPES {
        let (dy, kernel) = (numbers(m * k, 4), numbers(n * k, 5));
        let mut first: Option<Vec<f32>> = None;
        for product in tiles(m, n) {
            let shader = wgsl::input_gradient(None, false, product);
            let shape = Shape { per_sample: 1, depth: k, columns: n, ..Shape::default() };
            let (void, dx) = ([0; 4], vec![0; m * n]);
            let buffers = [&bits(&dy)[..], &bits(&kernel), &void, &void, &dx];
            let found = run(&gpu, &shader, shape, Grid::Tiles(Count::PerSample(1), n, product.tile), m, &buffers, 4);
            let name = format!("dx {:?}", product.tile);
            hold(&name, &found, [m, n, k], |i, t| dy[i * k + t], |t, j| kernel[j * k + t], |_| 0.0);
            assert_eq!(bits(first.get_or_insert(found.clone())), bits(&found), "{name}");
        }
    }
}

#[test]
fn weight_gradients_in_every_tile() {
    let _kept = kept();
    let Some(gpu) = adapter() else { return };
    for [m, n, k] in SHAPES {
        let (x, dy) = (numbers(k * m, 6), numbers(k * n, 7));
        let order: Vec<u32> = (0..k as u32).rev().collect();
        let mut first: Option<Vec<f32>> = None;
        for product in tiles(m, n).map(|product| product.with_features(m)) {
            let variant = WeightVariant { kernel: true, bias: true, gather: true, adds: 0 };
            let shader = wgsl::weight_gradient(variant, None, product);
            let shape = Shape { per_sample: 1, depth: m, columns: n, ..Shape::default() };
            let (void, kernel, bias) = ([0; 4], vec![0; m * n], vec![0; n]);
            let buffers = [&bits(&x)[..], &bits(&dy), &order, &kernel, &void, &bias, &void];
            let grid = Grid::Tiles(Count::Fixed(m + 1), n, product.tile);
            let name = format!("dkernel {:?}", product.tile);
            let found = run(&gpu, &shader, shape, grid, k, &buffers, 3);
            hold(&name, &found, [m, n, k], |i, t| x[(k - 1 - t) * m + i], |t, j| dy[t * n + j], |_| 0.0);
            assert_eq!(bits(first.get_or_insert(found.clone())), bits(&found), "{name}");
            let found = run(&gpu, &shader, shape, grid, k, &buffers, 5);
            hold("dbias", &found, [1, n, k], |_, _| 1.0, |t, j| dy[t * n + j], |_| 0.0);
        }
    }
}

/// More rows of tiles than a dimension of a dispatch may have workgroups.
#[test]
fn rows_beyond_a_dimension() {
    let _kept = kept();
    let Some(gpu) = adapter() else { return };
    let m = 64 * super::dispatch::MAX_GROUPS + 70;
    let (x, void) = (numbers(m, 8), [0; 4]);
    let product = Product::of(m, 1);
    let grid = Grid::Tiles(Count::PerSample(1), 1, product.tile);
    assert_eq!(grid.groups(m), [1, super::dispatch::MAX_GROUPS, 2]);
    let shader = wgsl::dense(TailVariant::default(), false, false, product);
    let shape = Shape { per_sample: 1, depth: 1, columns: 1, ..Shape::default() };
    let (x_bits, two, y) = (bits(&x), bits(&[2.0]), vec![0; m]);
    let found = run(&gpu, &shader, shape, grid, m, &[&x_bits, &two, &void, &void, &void, &y, &void], 5);
    assert!(found.iter().zip(&x).all(|(y, x)| *y == 2.0 * x));
}

/// Times the tiles: `cargo test --release --features gpu --lib time_of_tiles -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn time_of_tiles() {
    let _kept = kept();
    let Some(gpu) = adapter() else { return };
    println!("{}", gpu.name());
    for [m, n, k] in [[256, 1024, 1024], [32, 128, 784], [1024, 128, 784], [256, 10, 2048]] {
        let (dy, kernel) = (bits(&numbers(m * k, 4)), bits(&numbers(n * k, 5)));
        let chosen = Tile::of(m, n);
        for product in tiles(m, n) {
            let shader = wgsl::dense(TailVariant::default(), false, false, product);
            let shape = Shape { per_sample: 1, depth: k, columns: n, ..Shape::default() };
            let (void, y) = ([0; 4], vec![0; m * n]);
            let grid = Grid::Tiles(Count::PerSample(1), n, product.tile);
            let buffers = [&dy[..], &kernel, &void, &void, &void, &y, &void];
            let nothing = Grid::Tiles(Count::Fixed(1), 1, product.tile);
            let mut best = [f64::INFINITY; 2];
            for _ in 0..4 {
                for (best, grid) in best.iter_mut().zip([grid, nothing]) {
                    let begin = std::time::Instant::now();
                    run(&gpu, &shader, shape, grid, m, &buffers, 5);
                    *best = best.min(begin.elapsed().as_secs_f64());
                }
            }
            let time = best[0] - best[1];
            let mark = if product.tile == chosen { "chosen" } else { "" };
            let speed = 2e-9 * (m * n * k) as f64 / time;
            println!("{m}×{n}×{k} {:3}×{:3}: {speed:7.2} GFLOP/s {mark}", product.tile.rows, product.tile.columns);
        }
    }
}

/// Normalizations of rows that a workgroup shares, and of rows that an invocation has, forward and back.
#[test]
fn rows_long_and_short() {
    let _kept = kept();
    let Some(gpu) = adapter() else { return };
    let (rows, epsilon) = (5, 1e-3);
    for n in [3, 64, 65, 257] {
        let (x, dy, gamma, beta) = (numbers(rows * n, 1), numbers(rows * n, 2), numbers(n, 3), numbers(n, 4));
        let shape = Shape { per_sample: 1, columns: n, amounts: [epsilon as f32, 0.0, 0.0, 0.0], ..Shape::default() };
        let long = is_long(n);
        let grid = Grid::Rows(Count::PerSample(1), long);
        let (x_bits, saved, out) = (bits(&x), vec![0; 2 * rows], vec![0; rows * n]);
        let forward = wgsl::layer_norm(RowMoments::MeanAndVariance, true, true, long);
        let forward_buffers = [&x_bits[..], &bits(&gamma), &bits(&beta), &saved, &out];
        let y = run(&gpu, &forward, shape, grid, rows, &forward_buffers, 4);
        let saved = run(&gpu, &forward, shape, grid, rows, &forward_buffers, 3);
        let back = wgsl::layer_norm_backward(RowMoments::MeanAndVariance, true, false, long);
        let back_buffers = [&x_bits[..], &bits(&gamma), &bits(&saved), &bits(&dy), &out];
        let dx = run(&gpu, &back, shape, grid, rows, &back_buffers, 4);
        let softmax = Activation::parse(&json!("softmax"), "test").unwrap();
        let own = Shape { depth: n, ..shape };
        let p = run(&gpu, &wgsl::rows_forward(&softmax, long), own, grid, rows, &[&x_bits, &out], 1);
        for row in 0..rows {
            let of = |values: &[f32], j: usize| f64::from(values[row * n + j]);
            let mean = |term: &dyn Fn(usize) -> f64| (0..n).map(term).sum::<f64>() / n as f64;
            let middle = mean(&|j| of(&x, j));
            let factor = 1.0 / (mean(&|j| (of(&x, j) - middle).powi(2)) + epsilon).sqrt();
            let normal = |j: usize| (of(&x, j) - middle) * factor;
            let g = |j: usize| f64::from(gamma[j]) * of(&dy, j);
            let (plain, weighted) = (mean(&g), mean(&|j| g(j) * normal(j)));
            let whole = n as f64 * mean(&|j| of(&x, j).exp());
            for j in 0..n {
                let near = |what: &str, found: f64, wanted: f64| {
                    let name = format!("{what} of {n}, ({row}, {j})");
                    assert!((found - wanted).abs() < 2e-6, "{name}: {found} and not {wanted}");
                };
                near("y", of(&y, j), normal(j) * f64::from(gamma[j]) + f64::from(beta[j]));
                near("dx", of(&dx, j), factor * (g(j) - plain - normal(j) * weighted));
                near("softmax", of(&p, j), of(&x, j).exp() / whole);
            }
        }
    }
}
