//! What a simulated deploy puts in the place of things that are not in a plan or
//! not on this machine: URIs of hosts, the image, passwords kept elsewhere.

use std::io::{Cursor, Read};

use crate::content::ContentError;
use crate::deploy::{ImageError, ImageStore};
use crate::digest::sha256;
use crate::plan::Plan;
use crate::spec::{Image, ImageFile, Password, Serve};
use crate::units::Mebibytes;

/// Bytes of a file of the image that stands in for the real one.
const BYTES: usize = 2 << 20;
/// Virtual size of an image that a plan lacks.
const VIRTUAL_SIZE: Mebibytes = Mebibytes::from_gib(2);

/// Returns the plan as a simulation deploys it. Hosts without a URI get one; files
/// of the image, and what pools serve, are exchanged for those of [`StandInImages`]; a password that a
/// spec refers to is generated, since a simulation neither reads files and the
/// environment nor runs commands for it.
#[must_use]
pub fn stand_in(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    for host in &mut plan.topology.hosts {
        host.uri.get_or_insert_with(|| format!("simulated://{}", host.name));
    }
    let image = plan.image.get_or_insert_with(|| Image {
        name: "simulated".to_owned(),
        disk: file("disk.qcow2"),
        virtual_size_mib: VIRTUAL_SIZE,
        kernel: None,
        initrd: None,
        cmdline: String::new(),
        engines: [].into(),
    });
    let parts = [Some(&mut image.disk), image.kernel.as_mut(), image.initrd.as_mut()];
    for part in parts.into_iter().flatten() {
        *part = file(&part.file);
    }
    for service in &mut plan.services {
        if let Some(Serve::Content { path, sha256: digest, .. }) = &mut service.serve {
            *digest = sha256(path);
        }
        // Its file may be anywhere.
        service.access.certificate = None;
        if let Some(password) = &mut service.access.password {
            *password = Password::Generated;
        }
    }
    plan
}

fn file(name: &str) -> ImageFile {
    ImageFile { file: name.to_owned(), sha256: sha256(content(name)) }
}

/// The file's name, then zeros.
fn content(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(BYTES, 0);
    bytes
}

/// The image's files of [`stand_in`], in memory.
#[derive(Clone, Copy, Debug)]
pub struct StandInImages;

impl ImageStore for StandInImages {
    fn open(&self, file: &ImageFile) -> Result<(Box<dyn Read>, u64), ImageError> {
        let bytes = content(&file.file);
        let length = bytes.len() as u64;
        Ok((Box::new(Cursor::new(bytes)), length))
    }

    fn content(&self, path: &str) -> Result<Vec<u8>, ContentError> {
        Ok(path.as_bytes().to_vec())
    }
}
