//! The image's files, and what pools serve, on the operator's machine.
#![expect(clippy::disallowed_methods, reason = "edge: reads the image's files")]

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::content::{self, ContentError};
use crate::digest::hex;
use crate::spec::{ImageFile, Serve};

/// A file of the image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It cannot be read.
    #[error("cannot read image file {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Its bytes are not those that were planned with. What they are is not said: a plan may
    /// name any file, and a digest gives short texts away.
    #[error(
        "image file {path} is not the one that the plan was made with, whose SHA-256 is {planned}"
    )]
    Digest {
        /// The file.
        path: String,
        /// Its digest as planned.
        planned: String,
    },
}

/// Finds the bytes of an image's files, and of what pools serve.
pub trait ImageStore: Sync {
    /// Opens a file and says how long it is.
    ///
    /// # Errors
    /// The file cannot be opened.
    fn open(&self, file: &ImageFile) -> Result<(Box<dyn Read>, u64), ImageError>;

    /// Packs what a pool serves, by the path in the plan.
    ///
    /// # Errors
    /// There is nothing that could be served.
    fn content(&self, path: &str) -> Result<Vec<u8>, ContentError>;
}

/// Files of this machine; relative paths are taken from a directory.
#[derive(Clone, Debug)]
pub struct LocalImages {
    /// That directory.
    pub directory: PathBuf,
}

impl ImageStore for LocalImages {
    fn open(&self, file: &ImageFile) -> Result<(Box<dyn Read>, u64), ImageError> {
        let path = self.directory.join(&file.file);
        let unreadable =
            |source| ImageError::Unreadable { path: path.display().to_string(), source };
        // To open a pipe may never end.
        let metadata = std::fs::metadata(&path).map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(unreadable(io::Error::other("it is no regular file")));
        }
        let opened = File::open(&path).map_err(unreadable)?;
        let metadata = opened.metadata().map_err(unreadable)?;
        Ok((Box::new(opened), metadata.len()))
    }

    fn content(&self, path: &str) -> Result<Vec<u8>, ContentError> {
        content::pack(&self.directory.join(path))
    }
}

/// Reads a file whole and compares its digest.
///
/// # Errors
/// The file cannot be read, or is another one.
pub(super) fn check(store: &dyn ImageStore, file: &ImageFile) -> Result<(), ImageError> {
    let (source, _) = store.open(file)?;
    let mut source = Digesting::new(source);
    io::copy(&mut source, &mut io::sink())
        .map_err(|source| ImageError::Unreadable { path: file.file.clone(), source })?;
    source.finish(file)
}

/// Packs what a pool serves and compares its digest.
///
/// # Errors
/// In words: it cannot be packed, or is another.
pub(super) fn content_of(store: &dyn ImageStore, serve: &Serve) -> Result<Vec<u8>, String> {
    let Serve::Content { path, sha256, .. } = serve else { return Ok(Vec::new()) };
    let archive = store.content(path).map_err(|error| error.to_string())?;
    if content::digest(&archive) == *sha256 {
        return Ok(archive);
    }
    Err(format!("{path} does not hold what the plan was made with, whose SHA-256 is {sha256}"))
}

/// Computes the digest of what passes through.
pub(super) struct Digesting<R> {
    inner: R,
    digest: Sha256,
}

impl<R: Read> Digesting<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, digest: Sha256::new() }
    }

    /// Compares the digest of everything read with the planned one.
    pub(super) fn finish(self, file: &ImageFile) -> Result<(), ImageError> {
        let found = hex(&self.digest.finalize());
        if found == file.sha256 {
            return Ok(());
        }
        let (path, planned) = (file.file.clone(), file.sha256.clone());
        Err(ImageError::Digest { path, planned })
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.digest.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_begin_in_the_directory_and_absolute_ones_do_not() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(here.path().join("disk"), "here").unwrap();
        std::fs::write(there.path().join("disk"), "elsewhere").unwrap();
        let store = LocalImages { directory: here.path().to_owned() };
        let length = |file: String| store.open(&ImageFile { file, sha256: String::new() });
        assert_eq!(length("disk".into()).map(|(_, length)| length).ok(), Some(4));
        let absolute = there.path().join("disk").to_str().unwrap().to_owned();
        assert_eq!(length(absolute).map(|(_, length)| length).ok(), Some(9));
        let Err(missing) = length("none".into()) else { panic!("there is no such file") };
        let path = here.path().join("none");
        assert!(missing.to_string().contains(path.to_str().unwrap()), "{missing}");
        // Reading a device may never end, and its digest is nobody's business.
        assert!(length("/dev/zero".into()).is_err());
        let file = ImageFile { file: "disk".into(), sha256: "0".repeat(64) };
        let other = check(&store, &file).unwrap_err().to_string();
        assert!(other.ends_with(&"0".repeat(64)), "{other}");
    }
}
