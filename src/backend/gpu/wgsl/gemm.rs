//! The products' tiles, which one a product gets, and the lines of `shaders/gemm.wgsl` that repeat.
//!
//! Every tile sums in the same order, so the choice goes by shape and speed alone. All are within what WebGPU promises of any
//! device: 256 invocations and 16 KiB a workgroup.

use crate::backend::gpu::dispatch::MAX_GROUPS;
use std::fmt::Write;

/// How a product is divided among workgroups, and a workgroup's part among its invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Rows that a workgroup computes.
    pub rows: usize,
    /// Columns that it computes.
    pub columns: usize,
    /// Terms that it has in its memory at a time.
    pub depth: usize,
    /// Blocks of four rows that an invocation holds.
    high: usize,
    /// Blocks of four columns that it holds.
    wide: usize,
}

/// What a product's shader goes by.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    pub tile: Tile,
    /// Whether the lines of C are multiples of four numbers, so that they are read and written as vectors.
    pub fours: bool,
    /// The same of the lines of x, where C is a weight's gradient.
    pub features: bool,
}

impl Product {
    /// One whose C has so many rows and columns.
    pub fn of(rows: usize, columns: usize) -> Self {
        Product { tile: Tile::of(rows, columns), fours: columns.is_multiple_of(4), features: false }
    }

    /// One whose A has lines of so many numbers.
    pub fn with_features(self, features: usize) -> Self {
        Product { features: features.is_multiple_of(4), ..self }
    }

    /// How the elements of the buffers are declared.
    pub fn elements(&self) -> String {
        let name = |fours| if fours { "vec4<f32>" } else { "f32" };
        format!("alias Element = {};\nalias Feature = {};\n", name(self.fours), name(self.features))
    }
}

/// Workgroups that keep a large device busy: about as many as it has processors.
const ENOUGH: usize = 64;

impl Tile {
    /// For few columns.
    const NARROW: Tile = Tile { rows: 64, columns: 16, depth: 16, high: 1, wide: 1 };
    /// For few rows.
    const FLAT: Tile = Tile { rows: 16, columns: 64, depth: 16, high: 1, wide: 1 };
    /// From the one that reads least memory a term to the one that makes most workgroups.
    const SQUARE: [Tile; 4] = [
        Tile { rows: 128, columns: 128, depth: 8, high: 2, wide: 2 },
        Tile { rows: 128, columns: 64, depth: 16, high: 2, wide: 1 },
        Tile { rows: 64, columns: 64, depth: 16, high: 1, wide: 1 },
        Tile { rows: 32, columns: 32, depth: 16, high: 1, wide: 1 },
    ];

    /// Every tile.
    #[cfg(test)]
    pub fn all() -> Vec<Tile> {
        [&[Tile::NARROW, Tile::FLAT][..], &Tile::SQUARE].concat()
    }

    /// The tile for a product of so many rows and columns: the largest that still makes enough workgroups.
    pub fn of(rows: usize, columns: usize) -> Tile {
        match (rows, columns) {
            (_, ..=16) => Tile::NARROW,
            (..=16, _) => Tile::FLAT,
            _ => {
                let enough = |tile: &Tile| {
                    let [x, y] = tile.groups(rows, columns);
                    x.saturating_mul(y) >= ENOUGH
                };
                Tile::SQUARE.into_iter().find(enough).unwrap_or(Tile::SQUARE[3])
            }
        }
    }

    /// Workgroups along columns and rows.
    pub fn groups(&self, rows: usize, columns: usize) -> [usize; 2] {
        [columns.div_ceil(self.columns), rows.div_ceil(self.rows)]
    }

    /// Invocations along columns and rows.
    pub fn invocations(&self) -> [usize; 2] {
        [self.columns / (4 * self.wide), self.rows / (4 * self.high)]
    }

    /// Quads of workgroup memory for A and B, each line with one to spare.
    pub fn quads(&self) -> [usize; 2] {
        [self.rows, self.columns].map(|n| (n / 4 + 1) * self.depth)
    }

    fn constants(&self) -> String {
        let ([x, y], [a, b]) = (self.invocations(), self.quads());
        let numbers = [
            ("TILE_ROWS", self.rows),
            ("TILE_COLUMNS", self.columns),
            ("TILE_DEPTH", self.depth),
            ("GROUP_COLUMNS", x),
            ("GROUP_ROWS", y),
            ("A_SIZE", a),
            ("B_SIZE", b),
            ("MAX_GROUPS", MAX_GROUPS),
        ];
        numbers.iter().map(|(name, n)| format!("const {name} = {n}u;\n")).collect()
    }

    /// The product's text after those of its sides; `along` says of A and of B whether a line of memory runs along the depth.
    pub fn text(&self, along: [bool; 2]) -> String {
        let [across, down] = self.invocations();
        let threads = across * down;
        let (mut places, mut put, mut bring) = (String::new(), String::new(), String::new());
        let sides = [("a", "A", self.rows, "row"), ("b", "B", self.columns, "column")];
        for ((side, capital, length, axis), along) in sides.into_iter().zip(along) {
            let quads = length / 4;
            for i in 0..quads * self.depth / threads {
                let (own, at) = (format!("(index + {}u)", i * threads), format!("first_{axis} + 4u * {side}{i}_quad"));
                let (quad, k) = if along { ("/ TILE_DEPTH", "% TILE_DEPTH") } else { ("% QUADS", "/ QUADS") };
                let [quad, k] = [quad, k].map(|text| text.replace("QUADS", &format!("{capital}_QUADS")));
                let place = if along { format!("{side}_lines({at})") } else { at };
                let _ = writeln!(places, "    let {side}{i}_quad = {own} {quad};\n    let {side}{i}_k = {own} {k};");
                let _ = writeln!(places, "    let {side}{i}_place = {place};\n    var {side}{i}: vec4<f32>;");
                let k = format!("min(FROM + {side}{i}_k, last_k)");
                let read = match along {
                    true => format!("{side}_at({side}{i}_place + {k})"),
                    false => format!("{side}_across({k}, {side}{i}_place)"),
                };
                let within = format!("FROM + {side}{i}_k <= last_k");
                let _ = writeln!(bring, "    {side}{i} = select(vec4<f32>(0.0f), {read}, {within});");
                let _ =
                    writeln!(put, "        {side}_tile[{side}{i}_k * {capital}_STRIDE + {side}{i}_quad] = {side}{i};");
            }
        }
        let (mut starts, mut blocks, mut multiply) = (String::new(), Vec::new(), String::new());
        for wide in 0..self.wide {
            let column = format!("first_column + 4u * (own.x + {}u)", wide * across);
            let _ = writeln!(starts, "    let start{wide} = start({column});");
            for high in 0..self.high {
                let names: Vec<String> = (0..4).map(|r| format!("c{}_{wide}", 4 * high + r)).collect();
                names.iter().for_each(|name| starts += &format!("    var {name} = start{wide};\n"));
                blocks.push(format!("mat4x4<f32>({})", names.join(", ")));
            }
        }
        let (high, count) = (self.high, blocks.len());
        let row = format!("first_row + 4u * (own.y + i % {high}u * {down}u)");
        let column = format!("first_column + 4u * (own.x + i / {high}u * {across}u)");
        let stores = format!(
            "    var blocks = array<mat4x4<f32>, {count}>({});\n    for (var i = 0u; i < {count}u; i++) {{\n        \
             store({row}, {column}, blocks[i]);\n    }}\n",
            blocks.join(", ")
        );
        for k in 0..4 {
            for high in 0..self.high {
                let at = format!("(k + {k}u) * A_STRIDE + own.y + {}u", high * down);
                let _ = writeln!(multiply, "            let a{k}_{high} = a_tile[{at}];");
            }
            for wide in 0..self.wide {
                let at = format!("(k + {k}u) * B_STRIDE + own.x + {}u", wide * across);
                let _ = writeln!(multiply, "            let b{k}_{wide} = b_tile[{at}];");
                for row in 0..4 * self.high {
                    let (c, a) =
                        (format!("c{row}_{wide}"), format!("a{k}_{}.{}", row / 4, ["x", "y", "z", "w"][row % 4]));
                    let _ = writeln!(multiply, "            {c} = fma(vec4<f32>({a}), b{k}_{wide}, {c});");
                }
            }
        }
        let lines = |side: &str, axis: &str| {
            let line = |i: usize| format!("{side}_line(min({axis} + {i}u, {axis}s() - 1u))");
            let lines = (0..4).map(line).collect::<Vec<_>>().join(", ");
            format!("fn {side}_lines({axis}: u32) -> vec4<u32> {{\n    return vec4<u32>({lines});\n}}\n")
        };
        let mut text = self.constants();
        text += "fn within(column: u32) -> u32 {\n    return min(column, (columns() - 1u) / 4u * 4u);\n}\n";
        for ((side, axis), along) in [("a", "row"), ("b", "column")].into_iter().zip(along) {
            text += &if along { lines(side, axis) } else { String::new() };
        }
        let parts = [
            ("PLACES\n", places),
            ("STARTS\n", starts),
            ("BRING_FIRST\n", bring.replace("FROM", "0u")),
            ("BRING_NEXT\n", bring.replace("FROM", "next_k").replace("    ", "            ")),
            ("PUT\n", put),
            ("MULTIPLY\n", multiply),
            ("STORES\n", stores),
        ];
        let template = include_str!("../shaders/gemm.wgsl");
        text + &parts
            .iter()
            .fold(template.to_string(), |text, (mark, lines)| text.replace(&format!("\n{mark}"), &format!("\n{lines}")))
    }
}

/// Reading and writing four neighbours in a line of the buffer `name` from number `at` on, of which `left` are there; a read beyond
/// them gives the last. With `fours` the buffer is declared as an array of vectors, for lines of a multiple of four.
pub fn fours(name: &str, fours: bool, writes: bool) -> String {
    let (read, write) = match fours {
        true => (format!("{name}[at / 4u]"), format!("    {name}[at / 4u] = v;\n")),
        false => {
            let one = |i: usize| format!("{name}[at + min({i}u, left - 1u)]");
            let read = format!("vec4<f32>({name}[at], {}, {}, {})", one(1), one(2), one(3));
            let more = ["y", "z", "w"].iter().enumerate();
            let more = more
                .map(|(i, c)| format!("    if (left > {0}u) {{\n        {name}[at + {0}u] = v.{c};\n    }}\n", i + 1));
            (read, format!("    {name}[at] = v.x;\n{}", more.collect::<String>()))
        }
    };
    let read = format!("fn get_{name}(at: u32, left: u32) -> vec4<f32> {{\n    return {read};\n}}\n");
    let write = format!("fn put_{name}(at: u32, left: u32, v: vec4<f32>) {{\n{write}}}\n");
    if writes { read + &write } else { read }
}
