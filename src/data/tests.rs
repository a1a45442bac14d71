//! Every dtype and layout arrives; what cannot be used is named.

use super::*;
use crate::params::{Layout, Line};
use half::f16;

fn gathered(array: &Array, columns: usize) -> Vec<f32> {
    let per_sample = array.row_len() / columns;
    let layout = Layout { rows: array.rows() * per_sample, columns };
    let mut lines = vec![Line([0.0; PANEL]); layout.lines()];
    let into = Panels { start: lines.as_mut_ptr().cast(), stride: layout.rows * PANEL };
    let samples: Vec<u32> = (0..array.rows() as u32).collect();
    // SAFETY: `lines` has room for every row.
    unsafe { array.gather(&samples, into, 0, columns) };
    let mut values = vec![0.0; layout.len()];
    layout.unpack(&lines, &mut values);
    values
}

#[test]
fn every_dtype_arrives_as_f32() {
    macro_rules! check {
        ($($type:ty),*) => {$(
            let values: Vec<$type> = (0..46).map(|i| i as $type).collect();
            let expected: Vec<f32> = (0..46).map(|i| i as f32).collect();
            assert_eq!(gathered(&Array::new(values, &[2, 23]).unwrap(), 23), expected);
        )*};
    }
    check!(i8, i16, i32, i64, u8, u16, u32, u64, f32, f64);
    let halves: Vec<f16> = (0..46).map(|i| f16::from_f32(i as f32)).collect();
    assert_eq!(gathered(&Array::new(halves, &[2, 23]).unwrap(), 23)[45], 45.0);
}

#[test]
fn strided_samples_are_read_in_c_order() {
    let values: Arc<Vec<f32>> = Arc::new((0..24).map(|i| i as f32).collect());
    // The transpose of a 4 × 3 × 2 array: shape (2, 3, 4).
    // SAFETY: the strides stay within the 24 elements.
    let array =
        unsafe { Array::borrow(values.as_ptr().cast(), DType::Float32, &[2, 3, 4], &[4, 8, 24], values.clone()) };
    let expected: Vec<f32> =
        (0..2).flat_map(|a| (0..3).flat_map(move |b| (0..4).map(move |c| (c * 6 + b * 2 + a) as f32))).collect();
    assert_eq!(gathered(&array, 12), expected);
    assert_eq!(gathered(&array, 4), expected);
}

#[test]
fn class_ids_out_of_range_are_named() {
    let y = Array::new(vec![0_i64, 9, 10], &[3]).unwrap();
    let text = check_class_ids(&y, 10, None, "y").unwrap_err().to_string();
    assert_eq!(text, "y: expected class ids in [0, 10), received 10 in row 2");
    assert!(check_class_ids(&y, 10, Some(10), "y").is_ok());
    assert!(check_class_ids(&Array::new(vec![0.5_f32], &[1]).unwrap(), 2, None, "y").is_err());
}

#[test]
fn nan_is_named() {
    let y = Array::new(vec![0.0_f32, f32::NAN], &[2]).unwrap();
    assert_eq!(check_finite(&y, "y").unwrap_err().to_string(), "y: expected finite numbers, received NaN in row 1");
}
