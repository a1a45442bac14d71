//! How many threads a run should use just now.
//!
//! Results do not depend on the number of threads, so it can follow what is quickest: on a machine with other work two
//! workers in lockstep can be slower than one, because each barrier waits for a thread that the system has put aside.
//! [`Pace`] times both ways in passing, keeps to the quicker one, and looks at the other again from time to time.

use std::time::{Duration, Instant};

/// One trial of the other way for so many times its length of the better one: one percent at worst.
const PATIENCE: u32 = 100;
/// A trial runs about so long, or one step.
const TRIAL: Duration = Duration::from_millis(2);

/// What was measured so far.
#[derive(Debug, Default)]
pub struct Pace {
    /// Whether threads have been started and memory touched, which the first run pays for.
    warm: bool,
    /// Seconds a step, on one thread and on all.
    cost: [Option<f64>; 2],
    /// When to try the slower way again.
    retry: Option<Instant>,
}

/// A decision: how many threads, and for how long at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    many: bool,
    trial: bool,
    /// Threads to use.
    pub threads: usize,
    /// When to stop and decide again.
    pub deadline: Instant,
}

impl Choice {
    /// No choice: so many threads to the end.
    pub fn fixed(threads: usize, deadline: Instant) -> Self {
        Choice { many: threads > 1, trial: false, threads, deadline }
    }
}

impl Pace {
    /// What to do next, for work that can use up to `threads` threads.
    pub fn choose(&self, threads: usize, deadline: Instant) -> Choice {
        let now = Instant::now();
        let (many, trial) = match self.cost {
            _ if threads == 1 => (false, false),
            [None, _] if self.warm => (false, true),
            [_, None] => (true, true),
            [one, all] => {
                let trial = self.retry.is_some_and(|at| now >= at);
                ((all < one) != trial, trial)
            }
        };
        let deadline = if trial { deadline.min(now + TRIAL) } else { deadline };
        Choice { many, trial, threads: if many { threads } else { 1 }, deadline }
    }

    /// Takes in how long `steps` steps took that way.
    pub fn observe(&mut self, choice: Choice, steps: usize, took: Duration) {
        if steps == 0 {
            return;
        }
        if !self.warm {
            self.warm = true;
            return;
        }
        let seconds = took.as_secs_f64() / steps as f64;
        let cost = &mut self.cost[usize::from(choice.many)];
        // A trial says how it is now; in between, one slow run among many should not change the way.
        *cost = Some(match *cost {
            Some(old) if !choice.trial => 0.5 * (old + seconds),
            _ => seconds,
        });
        if choice.trial {
            self.retry = Some(Instant::now() + took * PATIENCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a pace against fixed costs; gives the share of steps that took the quicker way.
    fn follow(one: u64, all: u64) -> f64 {
        let mut pace = Pace::default();
        let far = Instant::now() + Duration::from_secs(3600);
        let mut right = 0;
        for _ in 0..100 {
            let choice = pace.choose(2, far);
            right += i32::from((choice.threads == 2) == (all < one));
            pace.observe(choice, 10, Duration::from_micros(10 * if choice.threads == 2 { all } else { one }));
        }
        f64::from(right) / 100.0
    }

    #[test]
    fn the_quicker_way_is_kept() {
        assert!(follow(100, 60) > 0.9);
        assert!(follow(100, 300) > 0.9);
    }

    #[test]
    fn one_thread_is_no_choice() {
        let far = Instant::now() + Duration::from_secs(1);
        assert_eq!(Pace::default().choose(1, far), Choice::fixed(1, far));
    }

    #[test]
    fn a_change_is_noticed() {
        let mut pace = Pace { warm: true, cost: [Some(100e-6), Some(300e-6)], retry: Some(Instant::now()) };
        let far = Instant::now() + Duration::from_secs(3600);
        let trial = pace.choose(2, far);
        assert_eq!(trial.threads, 2);
        assert!(trial.deadline < far);
        pace.observe(trial, 10, Duration::from_micros(500));
        assert_eq!(pace.choose(2, far).threads, 2);
    }
}
