//! Templates: handlebars in strict mode, with the quoting that each kind of text
//! needs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, JsonTruthy, Output, RenderContext,
    RenderErrorReason, Renderable,
};
use serde::Serialize;

/// A text of `templates/`, embedded.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    /// Path below `templates/`.
    pub name: &'static str,
    /// The text.
    pub text: &'static str,
    /// How each `{{value}}` is quoted; `{{{value}}}` never is.
    pub escape: fn(&str) -> String,
}

/// A text of `templates/` in whose values nothing is quoted, by its path there.
macro_rules! template {
    ($name:literal) => {
        $crate::template::Template {
            name: $name,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/", $name)),
            escape: $crate::template::plain,
        }
    };
}
pub(crate) use template;

/// A template that cannot be filled in.
#[derive(Debug, thiserror::Error)]
#[error("template {template}: {source}")]
pub struct TemplateError {
    /// Path below `templates/`.
    pub template: &'static str,
    /// What handlebars says.
    pub source: Box<handlebars::RenderError>,
}

/// Quotes nothing: for values that are quoted where they are made.
#[must_use]
pub fn plain(text: &str) -> String {
    text.to_owned()
}

/// Templates that were used, by their names.
static COMPILED: Mutex<BTreeMap<&str, Arc<Handlebars<'static>>>> = Mutex::new(BTreeMap::new());

impl Template {
    /// Fills the template in.
    ///
    /// # Errors
    /// It names something that `values` lacks.
    pub fn render(&self, values: &impl Serialize) -> Result<String, TemplateError> {
        self.compiled()
            .and_then(|registry| registry.render(self.name, values))
            .map_err(|source| TemplateError { template: self.name, source: Box::new(source) })
    }

    /// The template, compiled when it is first used: that takes longer than to
    /// fill it in.
    fn compiled(&self) -> Result<Arc<Handlebars<'static>>, handlebars::RenderError> {
        let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(registry) = compiled.get(self.name) {
            return Ok(Arc::clone(registry));
        }
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_escape_fn(self.escape);
        registry.register_helper("if", Box::new(Condition { wanted: true }));
        registry.register_helper("unless", Box::new(Condition { wanted: false }));
        registry.register_template_string(self.name, self.text)?;
        let registry = Arc::new(registry);
        compiled.insert(self.name, Arc::clone(&registry));
        Ok(registry)
    }
}

/// `if` and `unless` for which an unknown variable is an error too: handlebars'
/// own take it for false even in strict mode.
struct Condition {
    wanted: bool,
}

impl HelperDef for Condition {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        state: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let value = helper.param(0).ok_or(RenderErrorReason::ParamNotFoundForIndex("if", 0))?;
        if value.is_value_missing() {
            return Err(RenderErrorReason::MissingVariable(value.relative_path().cloned()).into());
        }
        let holds = value.value().is_truthy(false) == self.wanted;
        let branch = if holds { helper.template() } else { helper.inverse() };
        branch.map_or(Ok(()), |branch| branch.render(registry, context, state, out))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::quote::yaml;

    #[test]
    fn an_unknown_variable_is_an_error() {
        let template = Template { name: "probe", text: "{{here}} {{missing}}", escape: yaml };
        let values = BTreeMap::from([("here", "x")]);
        let error = template.render(&values).unwrap_err().to_string();
        assert!(error.starts_with("template probe: "), "{error}");
        assert!(error.contains("missing"), "{error}");
    }

    #[test]
    fn an_unknown_condition_is_an_error() {
        for text in [
            "{{#if missing}}x{{/if}}",
            "{{#unless missing}}x{{/unless}}",
            "{{#each missing}}x{{/each}}",
        ] {
            let template = Template { name: "probe", text, escape: yaml };
            assert!(template.render(&BTreeMap::from([("here", "x")])).is_err(), "{text}");
        }
    }
}
