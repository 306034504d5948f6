//! The main settings of a service and of an instance in words. Each engine's recipe
//! names those that people look for first.

use serde::Serialize;

use crate::plan::{Instance, Plan, ServicePlan, Setting};
use crate::recipe;
use crate::report::columns::wrapped;
use crate::report::plan_text::size;
use crate::spec::Engine;
use crate::units::{Mebibytes, grouped};

/// Values that are listed where instances differ.
const MAX_VALUES: usize = 3;
/// Columns of the screen, and of the label in front.
const WIDTH: usize = 100;
const LABEL: usize = 12;

/// A setting and the values that instances have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MainSetting {
    /// The engine's own name of it.
    pub name: String,
    /// The different values, in the order of instances.
    pub values: Vec<Setting>,
}

/// The main settings of a service; one without a value is left out.
pub(super) fn of_service(plan: &Plan, service: &ServicePlan) -> Vec<MainSetting> {
    let members: Vec<&Instance> = plan.members(&service.name).collect();
    main(service.engine, &members)
}

/// The main settings of an instance; none of a fixed machine.
pub(super) fn of_instance(plan: &Plan, instance: &Instance) -> Vec<MainSetting> {
    plan.service_of(instance).map_or_else(Vec::new, |service| main(service.engine, &[instance]))
}

fn main(engine: Engine, instances: &[&Instance]) -> Vec<MainSetting> {
    let setting = |name: &&str| {
        let mut values: Vec<Setting> = Vec::new();
        for value in instances.iter().filter_map(|one| one.settings.get(*name)) {
            if !values.contains(value) {
                values.push(value.clone());
            }
        }
        (!values.is_empty()).then(|| MainSetting { name: (*name).to_owned(), values })
    };
    recipe::of(engine).main.iter().filter_map(setting).collect()
}

/// A labelled line of settings, wrapped; empty without any.
pub(super) fn line(settings: &[MainSetting]) -> String {
    let all: Vec<String> = settings.iter().map(text).collect();
    let text = wrapped(LABEL, WIDTH, &all.join(", "));
    text.get(LABEL..).map_or_else(String::new, |rest| format!("  settings  {rest}"))
}

fn text(setting: &MainSetting) -> String {
    let MainSetting { name, values } = setting;
    if values.len() > MAX_VALUES {
        return format!("{name} varies");
    }
    let values: Vec<String> = values.iter().map(value).collect();
    format!("{name} {}", values.join(" or "))
}

fn value(setting: &Setting) -> String {
    match setting {
        Setting::Bytes(bytes @ 0..1_048_576) => format!("{} B", grouped(*bytes)),
        Setting::Bytes(bytes) => size(Mebibytes::new(bytes >> 20)),
        Setting::Count(count) => grouped(*count),
        Setting::Millis(millis) => format!("{} ms", grouped(*millis)),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_listed_with_their_units() {
        let setting = |name: &str, values: Vec<Setting>| MainSetting { name: name.into(), values };
        let all = [
            setting("maxmemory", vec![Setting::Bytes(5 << 30)]),
            setting("io-threads", vec![Setting::Count(4)]),
            setting("server_id", (1..9).map(Setting::Count).collect()),
            setting("node.roles", vec![Setting::words(["master", "data"]), "data".into()]),
        ];
        assert_eq!(
            line(&all),
            "  settings  maxmemory 5 GiB, io-threads 4, server_id varies, node.roles master data or \
             data\n"
        );
        assert_eq!(line(&[]), "");
    }
}
