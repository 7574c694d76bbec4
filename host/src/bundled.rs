//! The plugins inside this binary. Does not say which of them run: a home has the ones that were put there.

use crate::ids::PluginName;

/// A plugin of the project.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bundled {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    /// None: it was not built when this binary was.
    pub(crate) wasm: Option<&'static [u8]>,
}

/// All of them, by name.
pub(crate) const ALL: &[Bundled] = include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

pub(crate) fn find(name: &PluginName) -> Option<&'static Bundled> {
    ALL.iter().find(|plugin| plugin.name == name.as_str())
}

/// How a home gets a plugin that it lacks, as the end of a sentence; empty unless it is a bundled one.
pub(crate) fn remedy(name: &PluginName) -> String {
    find(name).map_or_else(String::new, |plugin| format!("; `hookwright plugin add {}` puts it there", plugin.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_is_named_for_bundled_plugins_only() {
        let remedy = |name: &str| remedy(&name.parse().expect("a name"));
        assert_eq!(remedy("redact"), "; `hookwright plugin add redact` puts it there");
        assert_eq!(remedy("other"), "");
    }
}
