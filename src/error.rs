//! The one error type of the crate. Its texts name the layer or argument, what was expected and what came.

/// What went wrong, by the kind of exception that Python raises for it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A value, shape or name that cannot be used (`ValueError`).
    #[error("{place}: expected {expected}, received {received}")]
    Invalid {
        /// The layer or argument, e.g. `Dense 'dense_1'` or `y`.
        place: String,
        /// What would have been accepted.
        expected: String,
        /// What came.
        received: String,
    },
    /// A type or dtype that cannot be used (`TypeError`).
    #[error("{place}: expected {expected}, received {received}")]
    Type {
        /// The layer or argument.
        place: String,
        /// What would have been accepted.
        expected: String,
        /// What came.
        received: String,
    },
    /// The call came in the wrong order: not built, not compiled, already training (`RuntimeError`).
    #[error("{0}")]
    State(String),
    /// An allocation whose size the user's shapes decide was refused (`MemoryError`).
    #[error("{place}: could not allocate {bytes} bytes")]
    OutOfMemory {
        /// The layer or buffer.
        place: String,
        /// How much was asked for.
        bytes: usize,
    },
    /// A step whose loss is NaN or infinite; it changed nothing (`NonFiniteError`).
    #[error("step {}: expected a finite loss, received {loss}", step + 1)]
    NonFinite {
        /// The step within its epoch, counted from 0.
        step: usize,
        /// Its loss.
        loss: f64,
    },
    /// A device that is missing, lost, out of memory or too small (`DeviceError`).
    #[error("{0}")]
    Device(String),
    /// A file that is no model that can be read (`LoadError`).
    #[error("{file}: {field}: expected {expected}, received {received}")]
    Load {
        /// The file.
        file: String,
        /// The part of it.
        field: String,
        /// What would have been accepted.
        expected: String,
        /// What came.
        received: String,
    },
    /// A file that cannot be written (`OSError`).
    #[error("{path}: {text}")]
    Write {
        /// The file.
        path: String,
        /// The operating system's number for it.
        code: Option<i32>,
        /// What it says.
        text: String,
    },
    /// A caught panic: a defect of this library (`InternalError`).
    #[error("internal error in ironhorn: {0}; the model is at its last whole step")]
    Internal(String),
}

/// The result of everything that can fail here.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::Invalid`].
    pub fn invalid(place: impl Into<String>, expected: impl Into<String>, received: impl Into<String>) -> Self {
        Error::Invalid { place: place.into(), expected: expected.into(), received: received.into() }
    }

    /// An [`Error::Type`].
    pub fn wrong_type(place: impl Into<String>, expected: impl Into<String>, received: impl Into<String>) -> Self {
        Error::Type { place: place.into(), expected: expected.into(), received: received.into() }
    }

    /// A name that is not in `known`, with the nearest that is.
    pub fn unknown<S: AsRef<str>>(place: &str, name: &str, known: &[S]) -> Self {
        let lower = name.to_lowercase();
        let nearest = known
            .iter()
            .map(|k| (strsim::jaro_winkler(&lower, &k.as_ref().to_lowercase()), k.as_ref()))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let expected = match nearest {
            Some((likeness, nearest)) if likeness > 0.7 => format!("a known name (did you mean '{nearest}'?)"),
            _ => format!("one of {}", known.iter().map(|k| k.as_ref()).collect::<Vec<_>>().join(", ")),
        };
        Error::invalid(place, expected, format!("'{name}'"))
    }

    /// The same error, at a place that is known only to the caller.
    pub fn at(self, outer: &str) -> Self {
        match self {
            Error::Invalid { place, expected, received } => {
                Error::Invalid { place: format!("{outer}: {place}"), expected, received }
            }
            Error::Type { place, expected, received } => {
                Error::Type { place: format!("{outer}: {place}"), expected, received }
            }
            Error::OutOfMemory { place, bytes } => Error::OutOfMemory { place: format!("{outer}: {place}"), bytes },
            other => other,
        }
    }
}
