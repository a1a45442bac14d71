//! The container: safetensors, read with suspicion.
//!
//! 8 bytes say how long the header is; the header is JSON, names with dtype, shape and range, and texts under
//! `__metadata__`; then the tensors' bytes follow, little-endian, without gap or overlap. The crate `safetensors` checks
//! the arithmetic; the limits here bound what it is given. What is written is sorted, so that the same state gives
//! the same bytes.

use super::{MAX_HEADER, MAX_TENSORS};
use crate::error::{Error, Result};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::Path;

/// A tensor to be written; its bytes are made when their turn comes.
pub(super) struct Entry<'a> {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Box<dyn Fn() -> Vec<u8> + 'a>,
}

impl<'a> Entry<'a> {
    /// Numbers in single precision.
    pub fn floats(name: String, shape: &[usize], values: impl Fn() -> Vec<f32> + 'a) -> Self {
        let bytes = move || values().iter().flat_map(|x| x.to_le_bytes()).collect();
        Entry { name, dtype: Dtype::F32, shape: shape.to_vec(), bytes: Box::new(bytes) }
    }

    /// Counters.
    pub fn integers(name: &str, values: Vec<u64>) -> Self {
        let shape = vec![values.len()];
        let bytes = move || values.iter().flat_map(|x| x.to_le_bytes()).collect();
        Entry { name: name.to_string(), dtype: Dtype::U64, shape, bytes: Box::new(bytes) }
    }

    /// A number in double precision.
    pub fn double(name: &str, value: f64) -> Self {
        let bytes = move || value.to_le_bytes().to_vec();
        Entry { name: name.to_string(), dtype: Dtype::F64, shape: vec![1], bytes: Box::new(bytes) }
    }
}

/// The header of a file of these, which are put into its order: the widest dtypes first, as the format asks for.
pub(super) fn header(texts: &BTreeMap<String, String>, entries: &mut [Entry]) -> Result<Vec<u8>> {
    if entries.len() > MAX_TENSORS {
        let received = entries.len().to_string();
        return Err(Error::invalid("model", format!("at most {MAX_TENSORS} tensors in a file"), received));
    }
    entries.sort_by_key(|entry| entry.dtype != Dtype::U64 && entry.dtype != Dtype::F64);
    let mut fields = Map::new();
    fields.insert("__metadata__".into(), json!(texts));
    let mut start = 0_usize;
    for entry in entries.iter() {
        let count = entry.shape.iter().try_fold(entry.dtype.bitsize() / 8, |n, &d| n.checked_mul(d));
        let end = count.and_then(|count| start.checked_add(count));
        let end = end.ok_or_else(|| Error::OutOfMemory { place: entry.name.clone(), bytes: usize::MAX })?;
        let dtype = if entry.dtype == Dtype::F32 {
            "F32"
        } else if entry.dtype == Dtype::U64 {
            "U64"
        } else {
            "F64"
        };
        let field = json!({"dtype": dtype, "shape": entry.shape, "data_offsets": [start, end]});
        fields.insert(entry.name.clone(), field);
        start = end;
    }
    let mut text = Value::Object(fields).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    if text.len() > MAX_HEADER {
        let expected = format!("names and configuration of at most {MAX_HEADER} bytes as JSON");
        return Err(Error::invalid("model", expected, text.len().to_string()));
    }
    Ok(text)
}

/// Writes a whole file.
pub(super) fn write(header: &[u8], entries: &[Entry], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header)?;
    entries.iter().try_for_each(|entry| out.write_all(&(entry.bytes)()))
}

/// Where a tensor stands.
#[derive(Debug)]
pub(super) struct Stored {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    range: Range<usize>,
}

/// A file's bytes, whose tensors have been checked to lie where the header says.
#[derive(Debug)]
pub(super) struct Container {
    pub file: String,
    bytes: Vec<u8>,
    pub texts: BTreeMap<String, String>,
    pub tensors: BTreeMap<String, Stored>,
}

impl Container {
    /// Reads a file.
    pub fn open(path: &Path) -> Result<Self> {
        let file = path.display().to_string();
        let wrong = |expected: &str, received: String| load(&file, "file", expected, received);
        let unreadable = |error: io::Error| wrong("a file that can be read", error.to_string());
        // Looked at before it is opened: to open a pipe is to wait for its other end.
        let size = match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => metadata.len(),
            Ok(_) => return Err(wrong("a regular file", "something else".into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(wrong("a file that is there", "File not found".into()));
            }
            Err(error) => return Err(unreadable(error)),
        };
        let mut bytes = Vec::new();
        let room = usize::try_from(size).ok().filter(|&size| bytes.try_reserve_exact(size).is_ok());
        room.ok_or_else(|| Error::OutOfMemory { place: file.clone(), bytes: size as usize })?;
        File::open(path).and_then(|open| open.take(size).read_to_end(&mut bytes)).map_err(unreadable)?;
        Self::parse(file, bytes)
    }

    /// Reads bytes; `file` is what errors call them.
    pub fn parse(file: String, bytes: Vec<u8>) -> Result<Self> {
        let wrong = |expected: String, received: String| load(&file, "header", expected, received);
        let length = bytes.first_chunk::<8>().map(|first| u64::from_le_bytes(*first));
        let length = length.ok_or_else(|| wrong("at least 8 bytes".into(), bytes.len().to_string()))?;
        if length > MAX_HEADER as u64 {
            let received = format!("{length}, as if this were no model file");
            return Err(wrong(format!("a length of at most {MAX_HEADER} bytes"), received));
        }
        let (length, metadata) = SafeTensors::read_metadata(&bytes)
            .map_err(|error| wrong("names, shapes and ranges that fit the file".into(), error.to_string()))?;
        let found = metadata.tensors();
        if found.len() > MAX_TENSORS {
            return Err(wrong(format!("at most {MAX_TENSORS} tensors"), found.len().to_string()));
        }
        let start = 8 + length;
        let tensors = found.into_iter().map(|(name, info)| {
            let (from, to) = info.data_offsets;
            (name, Stored { dtype: info.dtype, shape: info.shape.clone(), range: start + from..start + to })
        });
        let tensors = tensors.collect();
        let texts = metadata.metadata().iter().flatten().map(|(key, text)| (key.clone(), text.clone())).collect();
        Ok(Container { file, bytes, texts, tensors })
    }

    /// An error about a part of this file.
    pub fn wrong(&self, field: &str, expected: impl Into<String>, received: impl Into<String>) -> Error {
        load(&self.file, field, expected, received)
    }

    /// A tensor of this dtype.
    pub fn tensor(&self, name: &str, dtype: Dtype) -> Result<&Stored> {
        let field = format!("tensor '{name}'");
        let stored = self.tensors.get(name).ok_or_else(|| self.wrong(&field, "it to be there", "none"))?;
        if stored.dtype != dtype {
            return Err(self.wrong(&field, format!("dtype {dtype:?}"), format!("{:?}", stored.dtype)));
        }
        Ok(stored)
    }

    /// A tensor's bytes in groups, as numbers.
    fn numbers<const N: usize, T>(&self, name: &str, dtype: Dtype, number: impl Fn([u8; N]) -> T) -> Result<Vec<T>> {
        let stored = self.tensor(name, dtype)?;
        let bytes = self.bytes.get(stored.range.clone()).unwrap_or_default();
        let mut values = Vec::new();
        let count = bytes.len() / N;
        values
            .try_reserve_exact(count)
            .map_err(|_| Error::OutOfMemory { place: format!("{}: {name}", self.file), bytes: bytes.len() })?;
        values.extend(bytes.as_chunks::<N>().0.iter().map(|bytes| number(*bytes)));
        Ok(values)
    }

    /// Numbers in single precision, row-major.
    pub fn floats(&self, name: &str) -> Result<Vec<f32>> {
        self.numbers(name, Dtype::F32, f32::from_le_bytes)
    }

    /// Counters, of which there are so many.
    pub fn integers<const N: usize>(&self, name: &str) -> Result<[u64; N]> {
        let values = self.numbers(name, Dtype::U64, u64::from_le_bytes)?;
        let count = values.len().to_string();
        values.try_into().map_err(|_| self.wrong(&format!("tensor '{name}'"), format!("{N} numbers"), count))
    }

    /// A finite number in double precision.
    pub fn double(&self, name: &str) -> Result<f64> {
        let values = self.numbers(name, Dtype::F64, f64::from_le_bytes)?;
        match values[..] {
            [value] if value.is_finite() => Ok(value),
            _ => Err(self.wrong(&format!("tensor '{name}'"), "a finite number", format!("{values:?}"))),
        }
    }
}

pub(super) fn load(file: &str, field: &str, expected: impl Into<String>, received: impl Into<String>) -> Error {
    Error::Load { file: file.into(), field: field.into(), expected: expected.into(), received: received.into() }
}
