//! Files that are replaced whole: a reader, or whoever comes after a crash, finds the old one or the new one.
//!
//! The new one is written beside the old one, brought to the disk (`fsync`), and renamed over it; then the folder is
//! brought to the disk, which is where the name stands.

use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How old a temporary file of a process that is gone must be to be cleared away.
const STALE: Duration = Duration::from_secs(60);

/// Writes a file through `write`. After an error the old one is as it was.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    replaced(path, write).map_err(|error| Error::Write {
        path: path.display().to_string(),
        code: error.raw_os_error(),
        text: plain(&error),
    })
}

/// The operating system's words without the number that the standard library puts behind them.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" (os error ").map_or(text.clone(), |(words, _)| words.to_string())
}

fn replaced(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    // A link stays a link: what it leads to is replaced.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let old = fs::metadata(&target).ok();
    if let Some(old) = &old {
        // A folder, or a device that a rename would take the place of.
        if !old.is_file() {
            return Err(io::Error::other("expected a regular file, or a name that is free"));
        }
        // Whoever may not write the old one may not replace it either.
        File::options().append(true).open(&target)?;
    }
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    clear_stale(&folder);
    let (temporary, file) = create(&folder)?;
    let outcome = fill(file, old.as_ref(), write).and_then(|()| fs::rename(&temporary, &target));
    if let Err(error) = outcome {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    synchronise(&folder)
}

fn fill(
    file: File,
    old: Option<&fs::Metadata>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffered = BufWriter::with_capacity(1 << 20, file);
    write(&mut buffered)?;
    let file = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
    if let Some(old) = old {
        file.set_permissions(old.permissions())?;
    }
    file.sync_all()
}

/// A new file in the folder, named after this process.
fn create(folder: &Path) -> io::Result<(PathBuf, File)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".ironhorn-{}-{number}.tmp", std::process::id()));
        match File::create_new(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes what killed processes have left behind. Only Linux tells simply whether a process lives.
fn clear_stale(folder: &Path) {
    if !cfg!(target_os = "linux") {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let middle = name.to_str().and_then(|n| n.strip_prefix(".ironhorn-")).and_then(|n| n.strip_suffix(".tmp"));
        let process = middle.and_then(|m| m.split_once('-')).and_then(|(pid, _)| pid.parse::<u32>().ok());
        let Some(process) = process else { continue };
        let age = entry.metadata().ok().filter(fs::Metadata::is_file).and_then(|m| m.modified().ok()?.elapsed().ok());
        // A living writer on another machine keeps its file young.
        if age.is_some_and(|age| age > STALE) && !Path::new(&format!("/proc/{process}")).exists() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Brings a folder's names to the disk, where a folder can be opened.
fn synchronise(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
