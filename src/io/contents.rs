//! What a file holds, apart from the graph: variables, the optimizer's state, the position of the random streams.

use super::container::{Container, Entry, header, write};
use super::{VERSION, durable};
use crate::backend::Device;
use crate::error::{Error, Result};
use crate::model::{Choice, SharedOptimizer, Task, lock};
use crate::optimizers::{LearningRate, OptimizerState, fresh_slots};
use crate::params::{Lines, Snapshot, Variable};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Where a model's random streams stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Random {
    /// The model's seed.
    pub seed: u64,
    /// Epochs begun.
    pub epochs: u64,
    /// Calls as in training.
    pub calls: u64,
}

/// What is to be saved.
pub struct Saving<'a> {
    /// What the file is for: `model`, `weights`, `state`.
    pub kind: &'a str,
    /// Texts by their keys, JSON each.
    pub texts: Vec<(String, String)>,
    /// The variables.
    pub variables: Vec<Arc<Variable>>,
    /// The optimizer.
    pub optimizer: Option<SharedOptimizer>,
    /// The random streams.
    pub random: Option<Random>,
}

impl Saving<'_> {
    /// Writes a file; after an error the old one, if there was any, is as it was.
    pub fn to_file(&self, path: &Path) -> Result<()> {
        self.with_entries(|header, entries| durable::replace(path, |out| write(header, entries, out)))
    }

    /// The bytes of such a file.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.with_entries(|header, entries| {
            let mut bytes: Vec<u8> = Vec::new();
            write(header, entries, &mut bytes as &mut dyn Write).map_err(|e| Error::Internal(e.to_string()))?;
            Ok(bytes)
        })
    }

    /// Calls `save` with variables and slots of one moment.
    fn with_entries<T>(&self, save: impl FnOnce(&[u8], &[Entry]) -> Result<T>) -> Result<T> {
        let mut seen = HashSet::new();
        if let Some(twice) = self.variables.iter().find(|v| !seen.insert(v.id())) {
            return Err(Error::invalid("variables", "each once", twice.path()));
        }
        // Whoever trains holds the optimizer: with it locked, no step is under way.
        let optimizer = self.optimizer.as_ref().map(|optimizer| lock(optimizer));
        let snapshot = Snapshot::take(&self.variables)?;
        let mut entries = Vec::new();
        for (i, variable) in self.variables.iter().enumerate() {
            let (name, layout) = (format!("weights/{i}/{}", variable.path()), variable.layout());
            let snapshot = &snapshot;
            entries.push(Entry::floats(name, variable.shape(), move || snapshot.values(i, layout)));
        }
        if let Some(state) = &optimizer {
            self.add_optimizer(state, &mut entries);
        }
        if let Some(Random { seed, epochs, calls }) = self.random {
            entries.push(Entry::integers("random", vec![seed, epochs, calls]));
        }
        let mut texts: BTreeMap<String, String> = self.texts.iter().cloned().collect();
        texts.insert("format".into(), "ironhorn".into());
        texts.insert("kind".into(), self.kind.into());
        texts.insert("version".into(), VERSION.to_string());
        texts.insert("writer".into(), concat!("ironhorn ", env!("CARGO_PKG_VERSION")).into());
        let header = header(&texts, &mut entries)?;
        save(&header, &entries)
    }

    fn add_optimizer<'b>(&'b self, state: &'b OptimizerState, entries: &mut Vec<Entry<'b>>) {
        let names = state.config().slot_names();
        for (i, variable) in self.variables.iter().enumerate() {
            for (name, slot) in names.iter().zip(state.slots(variable.id())) {
                let unpacked = move || {
                    let mut values = vec![0.0; variable.layout().len()];
                    variable.layout().unpack(slot, &mut values);
                    values
                };
                entries.push(Entry::floats(format!("optimizer/{i}/{name}"), variable.shape(), unpacked));
            }
        }
        for (key, slots) in state.standalone() {
            for (name, slot) in names.iter().zip(slots) {
                entries.push(Entry::floats(format!("optimizer/own/{key}/{name}"), &[slot.len()], || slot.clone()));
            }
        }
        entries.push(Entry::integers("optimizer/iterations", vec![state.iterations()]));
        if let LearningRate::Constant(rate) = *state.rate() {
            entries.push(Entry::double("optimizer/learning_rate", rate));
        }
    }
}

/// A file that has been read, with every tensor's place in it known.
#[derive(Debug)]
pub struct Loaded {
    pub(super) container: Container,
    /// Names, in the order of the variables.
    weights: Vec<String>,
}

/// What stands behind a prefix.
fn behind<'a>(name: &'a str, prefix: &str) -> Option<(usize, &'a str)> {
    let (number, rest) = name.strip_prefix(prefix)?.split_once('/')?;
    Some((number.parse().ok()?, rest))
}

impl Loaded {
    /// Reads a file.
    pub fn open(path: &Path) -> Result<Self> {
        Self::new(Container::open(path)?)
    }

    /// Reads the bytes of one; `name` is what errors call it.
    pub fn from_bytes(bytes: Vec<u8>, name: &str) -> Result<Self> {
        Self::new(Container::parse(name.to_string(), bytes)?)
    }

    fn new(container: Container) -> Result<Self> {
        let text = |key: &str| container.texts.get(key).map_or("", String::as_str);
        let quoted = |key: &str| format!("'{}'", text(key));
        if text("format") != "ironhorn" {
            return Err(container.wrong("metadata 'format'", "'ironhorn'", quoted("format")));
        }
        let version: Option<u64> = text("version").parse().ok().filter(|&version| version > 0);
        match version {
            None => return Err(container.wrong("metadata 'version'", "a number from 1 on", quoted("version"))),
            Some(newer) if newer > VERSION => {
                let expected = format!("at most {VERSION}, the newest that this version of ironhorn reads");
                return Err(container.wrong("metadata 'version'", expected, format!("{newer}, a newer file")));
            }
            Some(_) => {}
        }
        if !["model", "weights", "state"].contains(&text("kind")) {
            return Err(container.wrong("metadata 'kind'", "'model', 'weights' or 'state'", quoted("kind")));
        }
        let mut weights = BTreeMap::new();
        for name in container.tensors.keys() {
            match behind(name, "weights/") {
                Some((i, _)) if weights.insert(i, name.clone()).is_none() => {}
                None if name == "random" || name.starts_with("optimizer/") => {}
                _ => return Err(container.wrong(&format!("tensor '{name}'"), "a name of version 1, once", "another")),
            }
        }
        if !weights.keys().copied().eq(0..weights.len()) {
            let received = format!("{:?}", weights.keys().take(20).collect::<Vec<_>>());
            return Err(container.wrong("tensors 'weights/…'", "numbers from 0 on, without a gap", received));
        }
        Ok(Loaded { container, weights: weights.into_values().collect() })
    }

    /// What the file is for.
    pub fn kind(&self) -> &str {
        self.text("kind").unwrap_or_default()
    }

    /// One of its texts.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.container.texts.get(key).map(String::as_str)
    }

    /// The same, parsed; nested no deeper than a parser allows.
    pub fn json(&self, key: &str) -> Result<Option<Value>> {
        let parse = |text| {
            let wrong =
                |e: serde_json::Error| self.container.wrong(&format!("metadata '{key}'"), "JSON", e.to_string());
            serde_json::from_str(text).map_err(wrong)
        };
        self.text(key).map(parse).transpose()
    }

    /// Path and shape of each variable.
    pub fn weights(&self) -> Vec<(&str, &[usize])> {
        let place = |name: &'_ String| {
            let path = behind(name, "weights/").map_or("", |(_, path)| path);
            (path.len(), self.container.tensors.get(name).map_or(&[][..], |stored| &stored.shape[..]))
        };
        self.weights
            .iter()
            .map(|name| {
                let (length, shape) = place(name);
                (&name[name.len() - length..], shape)
            })
            .collect()
    }

    /// How many numbers the variables hold.
    pub fn count(&self) -> usize {
        self.weights().iter().map(|(_, shape)| shape.iter().product::<usize>()).fold(0, usize::saturating_add)
    }

    /// The numbers of variable `i`, row-major.
    pub fn values(&self, i: usize) -> Result<Vec<f32>> {
        match self.weights.get(i) {
            Some(name) => self.container.floats(name),
            None => Err(self.container.wrong("tensors 'weights/…'", format!("variable {i}"), "none")),
        }
    }

    /// The position of the random streams, if the file has one.
    pub fn random(&self) -> Result<Option<Random>> {
        if !self.container.tensors.contains_key("random") {
            return Ok(None);
        }
        let [seed, epochs, calls] = self.container.integers("random")?;
        Ok(Some(Random { seed, epochs, calls }))
    }

    /// The devices that `auto` had chosen; none where the file does not say.
    pub fn choices(&self) -> Result<Vec<Choice>> {
        let Some(value) = self.json("devices")? else { return Ok(Vec::new()) };
        let expected = "[[task, size, \"cpu\" or \"gpu:N\"], …]";
        let wrong = || self.container.wrong("metadata 'devices'", expected, value.to_string());
        let choices: Vec<(String, usize, String)> = serde_json::from_value(value.clone()).map_err(|_| wrong())?;
        let parsed = choices.iter().map(|(task, size, device)| {
            let device = Device::parse(device, "devices").ok().filter(|device| *device != Device::Auto);
            Some((Task::parse(task, "devices").ok()?, *size, device?))
        });
        parsed.collect::<Option<_>>().ok_or_else(wrong)
    }

    /// Whether it has an optimizer's state.
    pub fn has_optimizer(&self) -> bool {
        self.container.tensors.contains_key("optimizer/iterations")
    }

    /// Checks that the file holds variables of these shapes.
    pub(super) fn check_shape(&self, i: usize, place: &str, shape: &[usize]) -> Result<()> {
        let weights = self.weights();
        match weights.get(i) {
            Some((_, stored)) if *stored == shape => {
                self.container.tensor(&self.weights[i], safetensors::Dtype::F32).map(drop)
            }
            Some((path, stored)) => {
                let field = format!("tensor 'weights/{i}/{path}'");
                Err(self.container.wrong(&field, format!("shape {shape:?}, as {place} has"), format!("{stored:?}")))
            }
            None => {
                let field = format!("tensor 'weights/{i}/…'");
                Err(self.container.wrong(&field, format!("it to be there, for {place}"), "none"))
            }
        }
    }

    /// Puts the numbers into variables, and the state into an optimizer of theirs. When anything does not fit, nothing
    /// is changed.
    pub fn restore(&self, variables: &[Arc<Variable>], optimizer: Option<&SharedOptimizer>) -> Result<()> {
        if variables.len() != self.weights.len() {
            let expected = format!("{} variables, as the model has", variables.len());
            return Err(self.container.wrong("tensors 'weights/…'", expected, self.weights.len().to_string()));
        }
        for (i, variable) in variables.iter().enumerate() {
            self.check_shape(i, variable.path(), variable.shape())?;
        }
        if let Some(optimizer) = optimizer {
            self.restore_optimizer(&mut lock(optimizer), variables)?;
        }
        // One at a time: beside the file's bytes and the variables there is one copy of one of them.
        for (i, variable) in variables.iter().enumerate() {
            variable.assign(variable.shape(), &self.values(i)?)?;
        }
        Ok(())
    }

    fn restore_optimizer(&self, state: &mut OptimizerState, variables: &[Arc<Variable>]) -> Result<()> {
        let file = &self.container;
        let [iterations] = file.integers("optimizer/iterations")?;
        let names = state.config().slot_names();
        let mut slots: BTreeMap<usize, Vec<Lines>> = BTreeMap::new();
        let mut own: BTreeMap<usize, Vec<Vec<f32>>> = BTreeMap::new();
        for name in file.tensors.keys().filter(|name| name.starts_with("optimizer/")) {
            let field = format!("tensor '{name}'");
            let unknown = || file.wrong(&field, format!("a slot of {names:?}"), "another");
            if name == "optimizer/iterations" || name == "optimizer/learning_rate" {
                continue;
            } else if let Some((key, slot)) = behind(name, "optimizer/own/") {
                let place = names.iter().position(|known| *known == slot).ok_or_else(unknown)?;
                own.entry(key).or_insert_with(|| vec![Vec::new(); names.len()])[place] = file.floats(name)?;
            } else if let Some((i, slot)) = behind(name, "optimizer/") {
                let place = names.iter().position(|known| *known == slot).ok_or_else(unknown)?;
                let variable = variables.get(i).ok_or_else(unknown)?;
                let shape = file.tensors.get(name).map_or(&[][..], |stored| &stored.shape[..]);
                if shape != variable.shape() {
                    let expected = format!("shape {:?}, as {} has", variable.shape(), variable.path());
                    return Err(file.wrong(&field, expected, format!("{shape:?}")));
                }
                if let std::collections::btree_map::Entry::Vacant(missing) = slots.entry(i) {
                    missing.insert(fresh_slots(state.config(), variable)?);
                }
                let values = file.floats(name)?;
                slots.entry(i).and_modify(|slots| variable.layout().pack(&values, &mut slots[place]));
            } else {
                return Err(unknown());
            }
        }
        self.check_slots(&names, &slots, &own)?;
        // A run may be under way, with its slots made: what the file has none of starts again.
        for (i, variable) in variables.iter().enumerate() {
            if !slots.contains_key(&i) && !state.slots(variable.id()).is_empty() {
                slots.insert(i, fresh_slots(state.config(), variable)?);
            }
        }
        if file.tensors.contains_key("optimizer/learning_rate") {
            let rate = file.double("optimizer/learning_rate")?;
            let field = "tensor 'optimizer/learning_rate'";
            if rate < 0.0 {
                return Err(file.wrong(field, "a rate from 0 on", rate.to_string()));
            }
            let schedule = |e: Error| file.wrong(field, "an optimizer with a number for a rate", e.to_string());
            state.set_learning_rate(rate).map_err(schedule)?;
        }
        for (i, slots) in slots {
            state.put_slots(variables[i].id(), slots);
        }
        state.put_standalone(own);
        state.set_iterations(iterations);
        Ok(())
    }

    /// A variable has all of its slots or none.
    fn check_slots(
        &self,
        names: &[&str],
        slots: &BTreeMap<usize, Vec<Lines>>,
        own: &BTreeMap<usize, Vec<Vec<f32>>>,
    ) -> Result<()> {
        let places =
            slots.keys().map(|i| format!("optimizer/{i}")).chain(own.keys().map(|k| format!("optimizer/own/{k}")));
        for (place, name) in places.flat_map(|place| names.iter().map(move |name| (place.clone(), name))) {
            let name = format!("{place}/{name}");
            if !self.container.tensors.contains_key(&name) {
                return Err(self.container.wrong(&format!("tensor '{name}'"), "it to be there", "none"));
            }
        }
        for (key, slots) in own {
            if slots.iter().any(|slot| slot.len() != slots[0].len()) {
                let field = format!("tensors 'optimizer/own/{key}/…'");
                return Err(self.container.wrong(&field, "one size", "several"));
            }
        }
        Ok(())
    }
}
