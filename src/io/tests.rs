//! The parser against bytes that are wrong; models there and back; files of every version.

use super::container::{Container, Entry, header, write};
use super::{Loaded, MAX_HEADER};
use crate::error::Error;
use crate::rng::Stream;
use crate::{Array, Model, Sequential};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder that goes away.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ironhorn-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn net() -> Arc<Model> {
    let net = Sequential::new(&[3], 5).dense(5, "relu").unwrap().dropout(0.3).unwrap().dense(2, "softmax").unwrap();
    net.build().unwrap()
}

fn data(classes: bool) -> Array {
    let mut sequence = Stream::new(3, if classes { "y" } else { "x" }).sequence(0);
    if classes {
        return Array::new((0..24).map(|_| (sequence.uniform() * 2.0) as i32).collect(), &[24]).unwrap();
    }
    Array::new((0..72).map(|_| sequence.uniform() as f32 - 0.5).collect::<Vec<f32>>(), &[24, 3]).unwrap()
}

fn weights(model: &Model) -> Vec<Vec<f32>> {
    model.variables().iter().map(|v| v.values().unwrap()).collect()
}

#[test]
fn training_goes_on_to_the_bit() {
    let folder = Folder::new("resume");
    let path = folder.0.join("net.ironhorn");
    for optimizer in ["adam", "sgd", "ftrl"] {
        let model = net();
        model.compile_with(optimizer, 0.05, "sparse_categorical_crossentropy", &["accuracy"]).unwrap();
        model.fit(data(false), data(true), 7, 3).unwrap();
        model.save(&path).unwrap();
        let loaded = Model::load(&path).unwrap();
        assert_eq!(weights(&loaded), weights(&model));
        model.fit(data(false), data(true), 7, 3).unwrap();
        loaded.fit(data(false), data(true), 7, 3).unwrap();
        assert_eq!(weights(&loaded), weights(&model), "{optimizer}");
    }
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
}

#[test]
fn golden_files_are_read_without_python() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let expected: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("version-1.json")).unwrap()).unwrap();
    let numbers = |key: &str| -> Vec<f32> {
        let rows = expected[key].as_array().unwrap().iter();
        rows.flat_map(|row| row.as_array().unwrap()).map(|x| x.as_f64().unwrap() as f32).collect()
    };
    let model = Model::load(folder.join("version-1.ironhorn")).unwrap();
    let out = model.predict(vec![Array::new(numbers("x"), &[12, 5]).unwrap()]).unwrap();
    assert!(out.iter().zip(numbers("p")).all(|(a, b)| (a - b).abs() < 1e-6));
    let y: Vec<i64> = expected["y"].as_array().unwrap().iter().map(|y| y.as_i64().unwrap()).collect();
    let (x, y) = (Array::new(numbers("x"), &[12, 5]).unwrap(), Array::new(y, &[12]).unwrap());
    let logs = model.fit(x, y, 4, 2).unwrap();
    let last = expected["loss"][1].as_f64().unwrap();
    assert!((logs[1] - last).abs() < 1e-4, "{logs:?} {last}");
}

/// A file of one tensor, with a header that the caller spoils.
fn file(change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut fields = json!({
        "__metadata__": {"format": "ironhorn", "version": "1", "kind": "weights"},
        "weights/0/a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "weights/1/b": {"dtype": "F32", "shape": [1], "data_offsets": [8, 12]},
    });
    change(&mut fields);
    let text = fields.to_string().into_bytes();
    [&(text.len() as u64).to_le_bytes(), &text[..], &[0; 12]].concat()
}

fn refused(bytes: Vec<u8>) -> String {
    match Loaded::from_bytes(bytes, "net") {
        Err(error @ Error::Load { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn headers_that_lie_are_refused() {
    assert_eq!(Loaded::from_bytes(file(|_| ()), "net").unwrap().weights(), [("a", &[2][..]), ("b", &[1][..])]);
    let change = |key: &'static str, field: &'static str, value: Value| {
        refused(file(|fields| fields[key][field] = value.clone()))
    };
    for offsets in [json!([0, 12]), json!([4, 12]), json!([9, 12]), json!([8, 16]), json!([12, 8]), json!([8, -1])] {
        assert!(change("weights/1/b", "data_offsets", offsets).starts_with("net: header"));
    }
    for shape in [json!([2]), json!([u64::MAX, u64::MAX]), json!([1, -1]), json!("x"), json!([0])] {
        assert!(change("weights/1/b", "shape", shape).starts_with("net: header"));
    }
    assert!(change("weights/1/b", "dtype", json!("F99")).starts_with("net: header"));
    assert!(change("__metadata__", "version", json!("2")).contains("newer"));
    assert!(change("__metadata__", "version", json!("0")).contains("version"));
    assert!(change("__metadata__", "format", json!("pt")).contains("format"));
    assert!(change("__metadata__", "kind", json!("")).contains("kind"));
    assert!(refused(Vec::new()).contains("8 bytes"));
    assert!(refused(u64::MAX.to_le_bytes().to_vec()).contains(&MAX_HEADER.to_string()));
    assert!(refused([&(MAX_HEADER as u64).to_le_bytes()[..], b"{}"].concat()).starts_with("net: header"));
    let deep = "[".repeat(100_000);
    assert!(refused([&(deep.len() as u64).to_le_bytes()[..], deep.as_bytes()].concat()).starts_with("net: header"));
}

#[test]
fn flipped_bytes_give_a_model_or_an_error() {
    let folder = Folder::new("flips");
    let path = folder.0.join("net");
    let model = net();
    model.compile_with("adam", 0.05, "sparse_categorical_crossentropy", &["accuracy"]).unwrap();
    model.fit(data(false), data(true), 8, 1).unwrap();
    model.save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut sequence = Stream::new(1, "flips").sequence(0);
    let mut models = 0;
    for round in 0..3000 {
        let mut bytes = whole.clone();
        for _ in 0..1 + round % 3 {
            let place = (sequence.uniform() * bytes.len() as f64) as usize;
            bytes[place.min(whole.len() - 1)] = (sequence.uniform() * 256.0) as u8;
        }
        match Loaded::from_bytes(bytes, "net").and_then(|loaded| loaded.model()) {
            Ok(_) => models += 1,
            Err(Error::Load { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(models > 0);
    for length in 0..whole.len() {
        assert!(matches!(Loaded::from_bytes(whole[..length].to_vec(), "net"), Err(Error::Load { .. })));
    }
}

#[test]
fn the_container_gives_back_what_it_was_given() {
    let texts = BTreeMap::from([("format".to_string(), "ironhorn".to_string())]);
    let mut entries = vec![
        Entry::floats("w".into(), &[2, 2], || vec![1.0, f32::NAN, -0.0, 3.5]),
        Entry::integers("i", vec![1, u64::MAX]),
        Entry::double("d", 0.1),
        Entry::floats("empty".into(), &[0, 3], Vec::new),
    ];
    let header = header(&texts, &mut entries).unwrap();
    let mut bytes = Vec::new();
    write(&header, &entries, &mut bytes).unwrap();
    let read = Container::parse("f".into(), bytes).unwrap();
    let bits: Vec<u32> = read.floats("w").unwrap().into_iter().map(f32::to_bits).collect();
    assert_eq!(bits, [1.0_f32, f32::NAN, -0.0, 3.5].map(f32::to_bits));
    assert_eq!(read.integers("i").unwrap(), [1, u64::MAX]);
    assert_eq!(read.double("d").unwrap(), 0.1);
    assert!(read.floats("empty").unwrap().is_empty());
    assert!(read.floats("i").unwrap_err().to_string().contains("dtype"));
    assert!(read.integers::<3>("i").is_err() && read.double("none").is_err());
}

#[test]
fn an_error_while_writing_leaves_the_old_file() {
    let folder = Folder::new("old");
    let path = folder.0.join("net");
    super::durable::replace(&path, |out| out.write_all(b"old")).unwrap();
    let broken = super::durable::replace(&path, |out| {
        out.write_all(b"new")?;
        Err(std::io::Error::from_raw_os_error(28))
    });
    assert!(matches!(broken, Err(Error::Write { code: Some(28), .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
}
