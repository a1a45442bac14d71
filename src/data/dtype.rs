//! Types of elements: what an array may hold, and how it becomes numbers.

use half::f16;

/// The type of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString)]
#[strum(serialize_all = "lowercase")]
#[allow(missing_docs, reason = "NumPy's names say it")]
pub enum DType {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Float16,
    Float32,
    Float64,
}

impl DType {
    /// Bytes in one element.
    pub fn size(self) -> usize {
        match self {
            DType::Bool | DType::Int8 | DType::UInt8 => 1,
            DType::Int16 | DType::UInt16 | DType::Float16 => 2,
            DType::Int32 | DType::UInt32 | DType::Float32 => 4,
            DType::Int64 | DType::UInt64 | DType::Float64 => 8,
        }
    }

    /// Whether elements can be class ids.
    pub fn is_integer(self) -> bool {
        !matches!(self, DType::Float16 | DType::Float32 | DType::Float64)
    }
}

/// An element that can be read from anywhere and becomes a number.
pub trait Element: Copy + Send + Sync + 'static {
    /// Its type's name.
    const DTYPE: DType;
    /// The nearest `f32`.
    fn to_f32(self) -> f32;
    /// The value in double precision, exact for every integer up to 2⁵³.
    fn to_f64(self) -> f64;
}

macro_rules! element {
    ($($type:ty: $name:ident),*) => {$(
        impl Element for $type {
            const DTYPE: DType = DType::$name;
            #[inline(always)]
            fn to_f32(self) -> f32 {
                self as f32
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
        }
    )*};
}
element!(i8: Int8, i16: Int16, i32: Int32, i64: Int64, u8: UInt8, u16: UInt16, u32: UInt32, u64: UInt64, f32: Float32, f64: Float64);

impl Element for f16 {
    const DTYPE: DType = DType::Float16;
    #[inline(always)]
    fn to_f32(self) -> f32 {
        f16::to_f32(self)
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f16::to_f64(self)
    }
}

/// Runs `$body` with `$type` as the element type of a dtype. A NumPy bool is read as a byte: any byte is then valid.
macro_rules! with_element {
    ($dtype:expr, $type:ident => $body:expr) => {
        match $dtype {
            DType::Bool | DType::UInt8 => {
                type $type = u8;
                $body
            }
            DType::Int8 => {
                type $type = i8;
                $body
            }
            DType::Int16 => {
                type $type = i16;
                $body
            }
            DType::Int32 => {
                type $type = i32;
                $body
            }
            DType::Int64 => {
                type $type = i64;
                $body
            }
            DType::UInt16 => {
                type $type = u16;
                $body
            }
            DType::UInt32 => {
                type $type = u32;
                $body
            }
            DType::UInt64 => {
                type $type = u64;
                $body
            }
            DType::Float16 => {
                type $type = half::f16;
                $body
            }
            DType::Float32 => {
                type $type = f32;
                $body
            }
            DType::Float64 => {
                type $type = f64;
                $body
            }
        }
    };
}
pub(super) use with_element;
