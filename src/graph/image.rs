//! Names of an image's files in a pool: made from their digests, so that equal
//! files are kept once and different ones never meet.

use super::ImagePart;
use crate::spec::{Image, ImageFile};

/// Digits of the digest in a volume's name.
const DIGITS: usize = 16;

const PREFIX: &str = "hostsplit-";
const COMPLETE: &str = ".complete";

impl ImagePart {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Disk, Self::Kernel, Self::Initrd];

    /// Returns the file of an image, if it has one.
    #[must_use]
    pub const fn file(self, image: &Image) -> Option<&ImageFile> {
        match self {
            Self::Disk => Some(&image.disk),
            Self::Kernel => image.kernel.as_ref(),
            Self::Initrd => image.initrd.as_ref(),
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Disk => ".qcow2",
            Self::Kernel => "-vmlinuz",
            Self::Initrd => "-initrd",
        }
    }

    /// Returns the name of the volume that holds a file.
    #[must_use]
    pub fn volume(self, file: &ImageFile) -> String {
        let digest: String = file.sha256.chars().take(DIGITS).collect();
        format!("{PREFIX}{digest}{}", self.suffix())
    }
}

/// Returns the name of the volume whose presence says that an upload was finished: only
/// its end can make it, so a killed upload is seen without any journal.
#[must_use]
pub fn marker(volume: &str) -> String {
    format!("{volume}{COMPLETE}")
}

/// Whether a volume holds a file of some image, or marks one.
#[must_use]
pub fn is_image_volume(name: &str) -> bool {
    let name = name.strip_suffix(COMPLETE).unwrap_or(name);
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    ImagePart::ALL.iter().any(|part| {
        rest.strip_suffix(part.suffix()).is_some_and(|digest| {
            digest.len() == DIGITS && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digests_make_an_image_volume() {
        let file = ImageFile { file: "i".to_owned(), sha256: "0123456789abcdef".repeat(4) };
        let name = ImagePart::Disk.volume(&file);
        assert_eq!(name, "hostsplit-0123456789abcdef.qcow2");
        assert!(is_image_volume(&name) && is_image_volume(&marker(&name)));
        assert!(is_image_volume(&ImagePart::Kernel.volume(&file)));
        // A deployment may well be called hostsplit.
        assert!(!is_image_volume("hostsplit-cache-0-root.qcow2"));
    }
}
