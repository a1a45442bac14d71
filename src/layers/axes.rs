//! Axes as Keras counts them, and the maps of elements that permutations and broadcasts come to.
//!
//! Keras counts the batch as axis 0; shapes here are of one sample. An element map says, for each element of the
//! result in C order, which element of the input it is.

use super::{Shape, known};
use crate::error::{Error, Result};
use crate::plan::{Builder, TensorId};

/// The axis of a sample that Keras's `axis` names, where a sample has `rank` axes.
pub(super) fn of_sample(place: &str, axis: i64, rank: usize) -> Result<usize> {
    let whole = rank as i64 + 1;
    let counted = if axis < 0 { axis + whole } else { axis };
    match counted {
        0 => Err(Error::invalid(format!("{place}: axis"), "an axis other than the batch's", axis.to_string())),
        1.. if counted < whole => Ok(counted as usize - 1),
        _ => {
            let expected = format!("an axis in [-{whole}, {whole})");
            Err(Error::invalid(format!("{place}: axis"), expected, format!("{axis}, which is out of bounds")))
        }
    }
}

/// The same for several axes, in order and each once.
pub(super) fn all_of_sample(place: &str, axes: &[i64], rank: usize) -> Result<Vec<usize>> {
    let mut found = axes.iter().map(|&axis| of_sample(place, axis, rank)).collect::<Result<Vec<_>>>()?;
    found.sort_unstable();
    found.dedup();
    if found.len() < axes.len() {
        return Err(Error::invalid(format!("{place}: axis"), "each axis once", format!("{axes:?}")));
    }
    Ok(found)
}

/// Refuses shapes whose elements cannot be counted in 32 bits, as element maps do.
pub(super) fn countable(place: &str, shape: &[Option<usize>]) -> Result<()> {
    let size = shape.iter().try_fold(1_u32, |n, d| n.checked_mul(u32::try_from(d.unwrap_or(1)).ok()?));
    size.map(|_| ()).ok_or_else(|| Error::invalid(place, "a sample of fewer than 2³² elements", format!("{shape:?}")))
}

/// The map and the shape of a sample whose axis j is the input's axis `order[j]`.
pub(super) fn permuted(shape: &[usize], order: &[usize]) -> (Vec<u32>, Vec<usize>) {
    let to: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
    let strides = strides(shape);
    let steps: Vec<usize> = order.iter().map(|&axis| strides[axis]).collect();
    (walk(&to, &steps), to)
}

/// The map of a sample of shape `from` that is repeated along axes of size 1, or new ones in front, to the shape `to`.
pub(super) fn broadcast(from: &[usize], to: &[usize]) -> Vec<u32> {
    let (strides, new) = (strides(from), to.len() - from.len());
    let step = |axis: usize| if axis < new || from[axis - new] == 1 { 0 } else { strides[axis - new] };
    walk(to, &(0..to.len()).map(step).collect::<Vec<_>>())
}

/// The shape that shapes broadcast to, aligned at their last axes.
pub(super) fn broadcast_shape(place: &str, shapes: &[Shape]) -> Result<Shape> {
    let rank = shapes.iter().map(Vec::len).max().unwrap_or(0);
    let mut common = vec![Some(1); rank];
    for shape in shapes {
        for (size, &own) in common[rank - shape.len()..].iter_mut().zip(shape) {
            *size = match (*size, own) {
                (Some(1), other) | (other, Some(1)) => other,
                (None, _) | (_, None) => None,
                (Some(a), Some(b)) if a == b => Some(a),
                _ => return Err(Error::invalid(place, "inputs of compatible shapes", format!("{shapes:?}"))),
            };
        }
    }
    countable(place, &common)?;
    Ok(common)
}

/// Elements from one step along an axis to the next, in C order.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// The elements met on the way through a shape in C order, with a step for each axis.
fn walk(shape: &[usize], steps: &[usize]) -> Vec<u32> {
    let mut map = vec![0_u32];
    for (&size, &step) in shape.iter().zip(steps) {
        map = map.iter().flat_map(|&start| (0..size).map(move |i| start + (i * step) as u32)).collect();
    }
    map
}

/// A tensor whose chosen axes were brought to the end.
pub(super) struct Moved {
    /// The tensor, in the new order of axes.
    pub tensor: TensorId,
    /// Its axes as the original's.
    order: Vec<usize>,
}

impl Moved {
    /// Brings `axes`, which are in order, to the end.
    pub fn to_end(builder: &mut Builder, layer: &str, tensor: TensorId, axes: &[usize]) -> Self {
        let shape = builder.shape(tensor).to_vec();
        let others = (0..shape.len()).filter(|axis| !axes.contains(axis));
        let order: Vec<usize> = others.chain(axes.iter().copied()).collect();
        let (map, to) = permuted(&shape, &order);
        Moved { tensor: builder.rearrange(layer, tensor, map, to), order }
    }

    /// Puts the axes of `result`, which has the moved tensor's shape, back in their places.
    pub fn back(&self, builder: &mut Builder, layer: &str, result: TensorId) -> TensorId {
        let mut inverse = vec![0; self.order.len()];
        self.order.iter().enumerate().for_each(|(to, &from)| inverse[from] = to);
        let (map, shape) = permuted(builder.shape(result), &inverse);
        builder.rearrange(layer, result, map, shape)
    }
}

/// Lets `stage` work on a tensor whose `axes` are one, the last.
pub(super) fn along(
    builder: &mut Builder,
    layer: &str,
    input: TensorId,
    axes: &[usize],
    stage: impl FnOnce(&mut Builder, TensorId) -> TensorId,
) -> TensorId {
    let moved = Moved::to_end(builder, layer, input, axes);
    let shape = builder.shape(moved.tensor).to_vec();
    let (outer, inner) = shape.split_at(shape.len() - axes.len());
    let flat = [outer, &[inner.iter().product()]].concat();
    let x = builder.reshape(layer, moved.tensor, flat);
    let y = stage(builder, x);
    let y = builder.reshape(layer, y, shape);
    moved.back(builder, layer, y)
}

/// The sizes of some axes, which must be known.
pub(super) fn sizes(place: &str, input: &[Option<usize>], axes: &[usize]) -> Result<Vec<usize>> {
    known(place, &axes.iter().map(|&axis| input[axis]).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_keras_s() {
        assert_eq!(of_sample("p", -1, 3), Ok(2));
        assert_eq!(of_sample("p", 1, 3), Ok(0));
        assert!(of_sample("p", 0, 3).is_err() && of_sample("p", -4, 3).is_err() && of_sample("p", 4, 3).is_err());
        assert_eq!(all_of_sample("p", &[-1, 1], 3), Ok(vec![0, 2]));
        assert!(all_of_sample("p", &[-1, 3], 3).is_err());
    }

    #[test]
    fn maps_follow_their_definition() {
        let (map, shape) = permuted(&[2, 3], &[1, 0]);
        assert_eq!((map, shape), (vec![0, 3, 1, 4, 2, 5], vec![3, 2]));
        let (map, shape) = permuted(&[2, 3, 4], &[2, 0, 1]);
        for (e, &from) in map.iter().enumerate() {
            let (k, i, j) = (e / 6, e / 3 % 2, e % 3);
            assert_eq!((from as usize, &shape[..]), (i * 12 + j * 4 + k, &[4, 2, 3][..]));
        }
        assert_eq!(broadcast(&[3], &[2, 3]), [0, 1, 2, 0, 1, 2]);
        assert_eq!(broadcast(&[2, 1], &[2, 3]), [0, 0, 0, 1, 1, 1]);
        assert_eq!(broadcast(&[], &[2]), [0, 0]);
    }

    #[test]
    fn shapes_broadcast_as_in_numpy() {
        let shape = |sizes: &[usize]| sizes.iter().map(|&d| Some(d)).collect::<Shape>();
        assert_eq!(broadcast_shape("p", &[shape(&[3, 1]), shape(&[4])]), Ok(shape(&[3, 4])));
        assert_eq!(broadcast_shape("p", &[vec![None], shape(&[1])]), Ok(vec![None]));
        assert!(broadcast_shape("p", &[shape(&[3]), shape(&[4])]).is_err());
        assert!(broadcast_shape("p", &[shape(&[1 << 20, 1]), shape(&[1 << 20])]).is_err());
    }
}
