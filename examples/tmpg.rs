//! t
use ironhorn::Array;
use ironhorn::backend::cpu::gemm::Panels;
use std::time::Instant;
fn main() {
    for rows in [64usize, 640, 20000] {
        let x = Array::new(vec![0.5f32; rows * 784], &[rows, 784]).unwrap();
        let mut buf = vec![0f32; 49 * 32 * 16 + 16];
        let off = buf.as_ptr().align_offset(64);
        let p = Panels { start: unsafe { buf.as_mut_ptr().add(off) }, stride: 32 * 16 };
        let mut order: Vec<u32> = (0..rows as u32).collect();
        let mut s = 12345u64;
        for i in (1..rows).rev() { s = s.wrapping_mul(6364136223846793005).wrapping_add(1); order.swap(i, (s >> 33) as usize % (i + 1)); }
        let mut best = f64::MAX;
        for _ in 0..20 {
            let t = Instant::now();
            let mut n = 0;
            for c in order.chunks_exact(32) { unsafe { x.gather(c, p, 0, 784) }; n += 1; }
            best = best.min(t.elapsed().as_secs_f64() * 1e6 / n as f64);
        }
        println!("{rows}: {best:.2} us per 32 rows");
    }
}
