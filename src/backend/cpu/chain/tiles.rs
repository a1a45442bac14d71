//! How a product of narrow numbers is cut into tiles, and the kernel of each shape.

use super::dense::Job;

/// Calls `tile(row, panel, rows, width)` for tiles that cover the job: eight rows by two panels; one row by eight panels.
pub fn each(job: &Job, mut tile: impl FnMut(usize, usize, usize, usize)) {
    let widest = if job.rows == 1 { 8 } else { 2 };
    let mut panel = 0;
    while panel < job.panels {
        let width = floor(job.panels - panel, widest);
        let mut row = 0;
        while row < job.rows {
            let rows = floor(job.rows - row, 8);
            tile(row, panel, rows, width);
            row += rows;
        }
        panel += width;
    }
}

/// The largest power of two that fits, up to `most`.
fn floor(left: usize, most: usize) -> usize {
    let mut size = most;
    while size > left {
        size /= 2;
    }
    size
}

/// Calls `kernel::<ROWS, WIDTH>` for the shapes of [`each`].
macro_rules! dispatch {
    ($module:ident::$kernel:ident($rows:ident, $width:ident)($($argument:expr),*)) => {
        match ($rows, $width) {
            (8, 2) => $module::$kernel::<8, 2>($($argument),*),
            (4, 2) => $module::$kernel::<4, 2>($($argument),*),
            (2, 2) => $module::$kernel::<2, 2>($($argument),*),
            (8, 1) => $module::$kernel::<8, 1>($($argument),*),
            (4, 1) => $module::$kernel::<4, 1>($($argument),*),
            (2, 1) => $module::$kernel::<2, 1>($($argument),*),
            (1, 8) => $module::$kernel::<1, 8>($($argument),*),
            (1, 4) => $module::$kernel::<1, 4>($($argument),*),
            (1, 2) => $module::$kernel::<1, 2>($($argument),*),
            _ => $module::$kernel::<1, 1>($($argument),*),
        }
    };
}
pub(super) use dispatch;
