//! The image manifest: files, digests, and the engines that the image holds.

use std::collections::BTreeMap;

use crate::spec::diagnostic::{Diagnostics, Mark};
use crate::spec::read::form::{At, Spanned};
use crate::spec::read::scalar::{Sha256, Text};
use crate::spec::read::scope::{Scope, mark_or};
use crate::spec::read::sources::FoundImage;
use crate::spec::wire;
use crate::spec::{Image, ImageFile};
use crate::units::Mebibytes;

const SIZES: std::ops::RangeInclusive<Mebibytes> = Mebibytes::new(1)..=Mebibytes::from_gib(1 << 20);

pub(super) fn image(
    found: &FoundImage,
    engines: &[&str],
    diagnostics: &mut Diagnostics,
) -> Option<Image> {
    let mut scope = Scope { file: &found.file, diagnostics };
    let (owner, wire) = (found.wire.mark, &found.wire.value);
    let name = scope.required("name", &wire.name, owner);
    let cmdline = scope.optional("cmdline", &wire.cmdline);
    let disk = disk(&mut scope, found, owner);
    let kernel = wire.kernel.as_ref().map(|node| file(&mut scope, found, "kernel", node));
    let initrd = wire.initrd.as_ref().map(|node| file(&mut scope, found, "initrd", node));
    if kernel.is_none() {
        let needs_kernel = "needs a `kernel` to go with it";
        if let Some(node) = &wire.initrd {
            scope.error(node.mark, format!("initrd: {needs_kernel}"));
        }
        if cmdline.is_some() {
            scope.error(mark_or(&wire.cmdline, owner), format!("cmdline: {needs_kernel}"));
        }
    }
    holds_engines(&mut scope, wire, owner, engines);
    let (disk, virtual_size_mib) = disk?;
    Some(Image {
        name: name?.0,
        disk,
        virtual_size_mib,
        kernel: kernel.flatten(),
        initrd: initrd.flatten(),
        cmdline: cmdline.map(|text| text.0).unwrap_or_default(),
        engines: versions(wire),
    })
}

/// The versions that can be read; others are reported where they are checked.
fn versions(wire: &wire::Image) -> BTreeMap<String, String> {
    let all = wire.engines.iter().flatten();
    let version = |(engine, at): (&String, &At<Text>)| {
        let Text(version) = at.value.as_ref().ok()?;
        Some((engine.clone(), version.clone()))
    };
    all.filter_map(version).collect()
}

fn disk(scope: &mut Scope<'_>, found: &FoundImage, owner: Mark) -> Option<(ImageFile, Mebibytes)> {
    let Some(node) = &found.wire.value.disk else {
        scope.missing("disk", owner);
        return None;
    };
    let (owner, wire) = (node.mark, &node.value);
    let format = scope.required("disk.format", &wire.format, owner);
    let size = scope.required_within("disk.virtual_size", &wire.virtual_size, owner, &SIZES);
    let file = image_file(scope, found, "disk", owner, &wire.file, &wire.sha256);
    format?;
    Some((file?, size?))
}

fn file(
    scope: &mut Scope<'_>,
    found: &FoundImage,
    field: &str,
    node: &Spanned<wire::File>,
) -> Option<ImageFile> {
    image_file(scope, found, field, node.mark, &node.value.file, &node.value.sha256)
}

fn image_file(
    scope: &mut Scope<'_>,
    found: &FoundImage,
    field: &str,
    owner: Mark,
    file: &Option<At<Text>>,
    sha256: &Option<At<Sha256>>,
) -> Option<ImageFile> {
    let path = scope.required(&format!("{field}.file"), file, owner);
    let digest = scope.required(&format!("{field}.sha256"), sha256, owner);
    let path = found.directory.join(path?.0);
    let Some(path) = path.to_str() else {
        let message = format!("{field}.file: the path {} is not UTF-8", path.display());
        scope.error(mark_or(file, owner), message);
        return None;
    };
    Some(ImageFile { file: path.to_owned(), sha256: digest?.0 })
}

/// A service needs its engine in the image: it boots without a network to
/// install from.
fn holds_engines(scope: &mut Scope<'_>, wire: &wire::Image, owner: Mark, engines: &[&str]) {
    let Some(held) = &wire.engines else {
        if let Some(engine) = engines.first() {
            scope.error(owner, format!("engines: the image does not list {engine:?}"));
        }
        return;
    };
    for (engine, version) in held {
        scope.value(&format!("engines.{engine}"), version);
    }
    let mut missing: Vec<&&str> =
        engines.iter().filter(|engine| !held.contains_key(**engine)).collect();
    missing.dedup();
    for engine in missing {
        let names: Vec<&str> = held.keys().map(String::as_str).collect();
        let holds = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        scope.error(owner, format!("engines: {engine:?} is not in the image; it holds {holds}"));
    }
}
