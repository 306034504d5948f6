//! The files of an instance.

use serde::Serialize;

use super::{BOOTSTRAP, CONFIGURATION, Package, VARIABLE};
use crate::digest::sha256;
use crate::guest_file::{GuestFile, Owner};
use crate::plan::{Instance, ServicePlan, Setting};
use crate::recipe::RecipeError;
use crate::template::{Template, template};

/// The engine's user reads its configuration and writes none of it.
const ROOT: Owner = Owner { user: "root", group: "root" };

/// Settings that are none of a node's own: options of the JVM, and those of new indices, which
/// a node refuses in its configuration.
const ELSEWHERE: [&str; 2] = ["jvm.", "index."];

/// Digits of the digest in a configuration.
const DIGITS: usize = 16;

static MAIN: Template = template!("search/main.yml.hbs");
static JVM: Template = template!("search/jvm.options.hbs");
static UNIT: Template = template!("search/unit.conf.hbs");

#[derive(Serialize)]
struct Main<'a> {
    instance: &'a str,
    settings: Vec<String>,
}

#[derive(Serialize)]
struct Jvm<'a> {
    instance: &'a str,
    heap: u64,
}

#[derive(Serialize)]
struct Unit {
    bootstrap: &'static str,
    home: &'static str,
    unit: &'static str,
}

pub(super) fn plain(
    service: &ServicePlan,
    instance: &Instance,
) -> Result<Vec<GuestFile>, RecipeError> {
    let package = Package::of(service.engine);
    let file = |path: &str, text: String| GuestFile {
        path: path.to_owned(),
        text,
        mode: 0o644,
        owner: ROOT,
    };
    let jvm = options(instance)?;
    let config = configuration(instance, &digest(instance, &jvm)?)?;
    let unit =
        UNIT.render(&Unit { bootstrap: BOOTSTRAP, home: package.home, unit: package.unit() })?;
    // The last one gates the first start: the package brings a configuration along.
    Ok(vec![file(package.config, config), file(package.jvm, jvm), file(package.unit_config, unit)])
}

/// The file by which the next start of an instance, and that alone, founds a cluster of which it
/// is the first voter. Others join it.
#[must_use]
pub fn bootstrap(package: &Package, instance: &Instance) -> GuestFile {
    GuestFile {
        path: BOOTSTRAP.to_owned(),
        text: format!("{VARIABLE}=-E{}={}\n", package.founds, instance.name),
        mode: 0o600,
        owner: ROOT,
    }
}

/// The digest of what is planned for an instance, by which it says what it runs with; `None`
/// where that cannot be rendered.
#[must_use]
pub fn planned_digest(instance: &Instance) -> Option<String> {
    digest(instance, &options(instance).ok()?).ok()
}

fn digest(instance: &Instance, jvm: &str) -> Result<String, RecipeError> {
    let mut digest = sha256(configuration(instance, "")? + jvm);
    digest.truncate(DIGITS);
    Ok(digest)
}

fn options(instance: &Instance) -> Result<String, RecipeError> {
    let bytes = instance.settings.get("jvm.heap").and_then(Setting::number).unwrap_or(1 << 30);
    Ok(JVM.render(&Jvm { instance: instance.name.as_str(), heap: bytes >> 20 })?)
}

fn configuration(instance: &Instance, digest: &str) -> Result<String, RecipeError> {
    let own = |name: &str| !ELSEWHERE.iter().any(|prefix| name.starts_with(prefix));
    let mut settings = Vec::new();
    for (name, value) in instance.settings.iter().filter(|(name, _)| own(name)) {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(RecipeError::Name { instance: instance.name.clone(), name: name.clone() });
        }
        settings.push(format!("{name}: {}", written(value)));
    }
    settings.push(format!("node.attr.{CONFIGURATION}: \"{digest}\""));
    settings.sort_unstable();
    Ok(MAIN.render(&Main { instance: instance.name.as_str(), settings })?)
}

/// A value as YAML: what is a text is quoted, as JSON is.
fn written(value: &Setting) -> String {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    match value {
        Setting::Text(word) => text(word),
        Setting::Switch(on) => on.to_string(),
        Setting::Count(number) => number.to_string(),
        Setting::Bytes(number) => format!("{number}b"),
        Setting::Millis(number) => format!("{number}ms"),
        Setting::Address(address) => address.to_string(),
        Setting::Words(words) => {
            let words: Vec<String> = words.iter().map(|word| text(word)).collect();
            format!("[{}]", words.join(", "))
        }
    }
}
