//! Where the time of a run goes: with `IRONHORN_PROFILE=1`, a table on stderr at the end of each run.
//!
//! The caller's thread, worker 0, looks at the clock before and after every operation. What it spends at a barrier, or on what
//! belongs to none, is told apart from work. Of a dense layer's products the rate in floating-point operations is given, as if
//! every term were taken (a product that skips zeros may exceed the limit), and its share of the limit: the multiply-adds that
//! this machine's cores were measured to do.

use super::program::{Op, Program, Scheduled, Split};
use super::simd::{Level, Task, Vector};
use crate::backend::Purpose;
use crate::plan::{Kind, Plan};
use std::fmt::Write;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Whether the environment asks for profiles.
pub fn is_wanted() -> bool {
    static WANTED: OnceLock<bool> = OnceLock::new();
    *WANTED.get_or_init(|| std::env::var("IRONHORN_PROFILE").is_ok_and(|v| !v.is_empty() && v != "0"))
}

/// Times of one executor's operations since its data set was bound.
#[derive(Debug, Default)]
pub struct Profile(Mutex<Times>);

#[derive(Debug, Default)]
struct Times {
    /// Of each operation: work, and waiting before it.
    ops: Vec<[Duration; 2]>,
    batches: usize,
    samples: usize,
    /// Most threads that took part.
    threads: usize,
}

/// One worker's clock, which runs only where a profile is wanted.
pub struct Clock<'a> {
    profile: Option<&'a Profile>,
    times: Times,
    last: Instant,
}

impl Profile {
    /// A profile if the environment asks for one.
    pub fn wanted() -> Option<Self> {
        is_wanted().then(Self::default)
    }

    /// Takes out what was measured.
    fn take(&self) -> Times {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Prints the table of what was measured and begins anew.
    pub fn report(&self, plan: &Plan, program: &Program, purpose: &Purpose, level: Level) {
        let times = self.take();
        if times.batches > 0 && times.ops.len() == program.ops.len() {
            eprint!("{}", table(&times, plan, program, purpose, level));
        }
    }
}

impl<'a> Clock<'a> {
    /// The clock of a worker.
    pub fn of(profile: Option<&'a Profile>, worker: usize, threads: usize, ops: usize) -> Self {
        let profile = profile.filter(|_| worker == 0);
        let ops = vec![[Duration::ZERO; 2]; if profile.is_some() { ops } else { 0 }];
        Clock { profile, times: Times { ops, threads, ..Times::default() }, last: Instant::now() }
    }

    #[inline]
    fn lap(&mut self, op: usize, kind: usize) {
        if self.profile.is_some() {
            let now = Instant::now();
            self.times.ops[op][kind] += now - self.last;
            self.last = now;
        }
    }

    /// Up to here operation `op` was at work.
    #[inline]
    pub fn worked(&mut self, op: usize) {
        self.lap(op, 0);
    }

    /// Up to here it waited.
    #[inline]
    pub fn waited(&mut self, op: usize) {
        self.lap(op, 1);
    }

    /// A batch is done.
    #[inline]
    pub fn batch(&mut self, samples: usize) {
        self.times.batches += 1;
        self.times.samples += samples;
    }
}

impl Drop for Clock<'_> {
    fn drop(&mut self) {
        let Some(profile) = self.profile else { return };
        let mut all = profile.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.ops.len() != self.times.ops.len() {
            all.ops = vec![[Duration::ZERO; 2]; self.times.ops.len()];
        }
        for (sum, own) in all.ops.iter_mut().zip(&self.times.ops) {
            sum[0] += own[0];
            sum[1] += own[1];
        }
        all.batches += self.times.batches;
        all.samples += self.times.samples;
        all.threads = all.threads.max(self.times.threads);
    }
}

/// What an operation is called, and its floating-point operations a sample where that is a dense layer's product.
fn describe(op: Op, plan: &Plan) -> (String, f64) {
    let stage = |verb: &str, s: usize| {
        let stage = &plan.stages[s];
        let (input, output) = (&plan.tensors[stage.input()], &plan.tensors[stage.output]);
        let dense = matches!(stage.kind, Kind::Dense { .. });
        let (k, n) = (input.columns(), output.columns());
        let size = if dense { format!(" {k} × {n}") } else { String::new() };
        let flops = if dense { 2.0 * (k * n * output.rows()) as f64 } else { 0.0 };
        (format!("{verb} {} {}{size}", stage.layer, stage.kind.name()), flops)
    };
    let variable = |verb: &str, v: usize| (format!("{verb} {}", plan.variables[v].path()), 0.0);
    match op {
        Op::Gather(t) => (format!("gather input {}", plan.tensors[t].source.unwrap_or(0)), 0.0),
        Op::Target(o) => (format!("targets of output {o}"), 0.0),
        Op::Forward(s) => stage("forward", s),
        Op::Loss(o, _) => (format!("loss of output {o}"), 0.0),
        Op::Backward(s, _, _) => stage("backward", s),
        Op::ClearGradient(_) => ("clear a gradient".into(), 0.0),
        Op::Tally => ("tally".into(), 0.0),
        Op::Update(s) => stage("gradient and update", s),
        Op::UpdateRows(s) => stage("update rows", s),
        Op::Gradient(s, _) => stage("gradient", s),
        Op::Moving(s) => stage("moving statistics", s),
        Op::Penalty(v) => variable("penalty on", v),
        Op::PenaltyGradient(v) => variable("penalty's gradient of", v),
        Op::Norm(v) => variable("norm of the gradient of", v),
        Op::Direction(v) => variable("direction of", v),
        Op::TrustNorms(v) => variable("norms of", v),
        Op::Apply(v) => variable("update", v),
        Op::Overwrite(v) => variable("average of", v),
        Op::Constrain(v) => variable("constraint on", v),
    }
}

fn table(times: &Times, plan: &Plan, program: &Program, purpose: &Purpose, level: Level) -> String {
    let peak = peak(level);
    let batches = times.batches as f64;
    let micros = |d: Duration| d.as_secs_f64() * 1e6 / batches;
    let all: f64 = times.ops.iter().map(|[work, wait]| micros(*work) + micros(*wait)).sum();
    let what = if purpose.is_training() { "training" } else { "a forward pass" };
    let mut text = String::new();
    let samples = times.samples as f64 / batches;
    let _ = writeln!(
        text,
        "ironhorn: {what}, {} batches of {samples:.0}, {} threads, {level}, limit {:.0} GFLOP/s a core",
        times.batches,
        times.threads,
        peak / 1e9
    );
    let _ = writeln!(
        text,
        "{:<52} {:>10} {:>7} {:>10} {:>9} {:>9}",
        "operation", "µs a batch", "share", "waiting", "GFLOP/s", "of limit"
    );
    let mut waited = 0.0;
    for (Scheduled { op, split, .. }, [work, wait]) in program.ops.iter().zip(&times.ops) {
        let (name, flops) = describe(*op, plan);
        let (work, wait) = (micros(*work), micros(*wait));
        waited += wait;
        let _ = write!(text, "{name:<52} {work:>10.2} {:>6.1}% {wait:>10.2}", 100.0 * work / all);
        let threads = if *split == Split::First { 1 } else { times.threads };
        match flops * samples / (work * 1e-6) {
            rate if rate > 0.0 && rate.is_finite() => {
                let _ = writeln!(text, " {:>9.1} {:>8.0}%", rate / 1e9, 100.0 * rate / (peak * threads as f64));
            }
            _ => text.push('\n'),
        }
    }
    let _ = writeln!(text, "{:<52} {all:>10.2} {:>7} {waited:>10.2}", "all", "");
    text
}

/// Multiply-adds in registers only, as operations a second of one core.
fn peak(level: Level) -> f64 {
    static PEAK: OnceLock<f64> = OnceLock::new();
    *PEAK.get_or_init(|| {
        let mut best: f64 = 0.0;
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(20) {
            let start = Instant::now();
            let flops = level.run(MultiplyAdds(4_000));
            best = best.max(flops / start.elapsed().as_secs_f64());
        }
        best
    })
}

/// So many rounds of multiply-adds on twelve registers, enough to hide their latency; gives the operations.
pub struct MultiplyAdds(pub usize);

impl Task for MultiplyAdds {
    type Output = f64;
    #[inline(always)]
    fn run<V: Vector>(self) -> f64 {
        const REGISTERS: usize = 12;
        let (factor, term) = (V::splat(std::hint::black_box(0.999)), V::splat(std::hint::black_box(1e-3)));
        let mut sums = [V::zero(); REGISTERS];
        for _ in 0..self.0 {
            for sum in &mut sums {
                *sum = sum.mul_add(factor, term);
            }
        }
        let mut total = V::zero();
        for sum in sums {
            total = total + sum;
        }
        let mut lanes = [0.0_f32; super::simd::PANEL];
        // SAFETY: `lanes` holds a register.
        unsafe { total.store(lanes.as_mut_ptr()) };
        std::hint::black_box(lanes);
        2.0 * (self.0 * REGISTERS * V::LANES) as f64
    }
}
