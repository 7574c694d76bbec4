//! The variables and the server's configuration.

use std::sync::Arc;

use super::layered::{Layered, failure, fault, last_good_layers, reused};
use super::{Ground, Keeping};
use crate::config::{self, Home, Layer, ServerConfig, Variables};
use crate::reload::checks;
use crate::reload::layout::{SERVER, VARIABLES};
use crate::reload::scan::Content;
use crate::reload::unit::{Failure, Unit};
use crate::revision::Fault;

#[derive(Default)]
pub(super) struct Settings {
    /// From `.env`, if there is one.
    variables: Unit<Option<Content>, Variables>,
    server: Unit<Layered, ServerConfig>,
    /// Grows whenever all configuration must be parsed again.
    generation: u64,
}

impl Settings {
    /// `reread`: parse again although the files are the same, because files they refer to may have changed.
    pub(super) fn advance(&mut self, ground: &Ground<'_>, reread: bool) {
        let before = self.variables.value().map(Arc::as_ptr);
        let content = ground.files.get(VARIABLES).map(|entry| entry.content.clone());
        let last_good = || Variables::load(&ground.last_good_home()).ok();
        self.variables.advance(
            VARIABLES,
            content,
            |content, _| load_variables(content.as_ref(), ground.home),
            last_good,
        );
        if reread || before != self.variables.value().map(Arc::as_ptr) {
            self.generation += 1;
        }
        let paths = ground.layout.server_layers();
        let input = Layered::of(&paths, ground.files, self.generation);
        let variables = self.variables();
        let make = |input: &Layered, in_force: Option<&Arc<ServerConfig>>| {
            let server = config::parse_server(&input.texts()?, &variables).map_err(failure)?;
            Ok(reused(server, in_force))
        };
        let last_good = || {
            let layers = last_good_layers(&paths, ground.last_good)?;
            with_either(&variables, ground, |variables| config::parse_server(&layers, variables).ok())
        };
        self.server.advance(SERVER, input, make, last_good);
    }

    pub(super) fn variables(&self) -> Arc<Variables> {
        self.variables.value().cloned().unwrap_or_default()
    }

    pub(super) fn server(&self) -> Option<&Arc<ServerConfig>> {
        self.server.value()
    }

    /// The file that says what stands at `pointer`, or could.
    pub(super) fn file_with(&self, pointer: &str) -> String {
        let layers = self.layers();
        if layers.is_empty() { SERVER.to_owned() } else { checks::file_with(&layers, pointer).to_owned() }
    }

    /// Of the configuration in force, if it is not a last good version.
    fn layers(&self) -> Vec<Layer> {
        self.server.current().and_then(|layers| layers.texts().ok()).unwrap_or_default()
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn wants_another_try(&self) -> bool {
        self.variables.wants_another_try() || self.server.wants_another_try()
    }

    pub(super) fn faults(&self, started: &ServerConfig, ground: &Ground<'_>) -> Vec<Fault> {
        let mut faults = self.faults_of_files();
        if let Some(server) = self.server() {
            faults.extend(checks::restart_faults(started, server, &self.layers()));
        }
        faults.extend(environment_fault(&self.variables(), ground));
        faults
    }

    pub(super) fn faults_of_files(&self) -> Vec<Fault> {
        self.variables.faults().iter().chain(self.server.faults()).cloned().collect()
    }

    /// `all_good`: whether all configuration is good with these variables.
    pub(super) fn keeping(&self, ground: &Ground<'_>, all_good: bool, keeping: &mut Keeping) {
        keeping.unit(&ground.layout.server_layers(), self.server.current());
        match self.variables.current() {
            Some(Some(content)) if all_good => drop(keeping.good.insert(VARIABLES.to_owned(), content.clone())),
            Some(None) if all_good => {}
            _ => drop(keeping.kept.insert(VARIABLES.to_owned())),
        }
    }

    pub(super) fn is_current(&self) -> bool {
        self.server.current().is_some()
    }
}

/// Tries with the variables in force, then with those of the last run that was good.
pub(super) fn with_either<T>(
    variables: &Variables,
    ground: &Ground<'_>,
    parse: impl Fn(&Variables) -> Option<T>,
) -> Option<T> {
    parse(variables).or_else(|| parse(&Variables::load(&ground.last_good_home()).ok()?))
}

fn load_variables(content: Option<&Content>, home: &Home) -> Result<Arc<Variables>, Failure> {
    match content {
        None | Some(Content::Text(_)) => match Variables::load(home) {
            Ok(variables) => Ok(Arc::new(variables)),
            Err(error) => Err(Failure::Bad(vec![fault(error)])),
        },
        Some(Content::Unusable(reason)) => Err(Failure::Bad(vec![Fault::of_file(VARIABLES, reason)])),
        Some(Content::Absent | Content::Plugin(_)) => Err(Failure::Bad(Vec::new())),
    }
}

fn environment_fault(variables: &Variables, ground: &Ground<'_>) -> Option<Fault> {
    let message = match variables.environment() {
        Ok(wanted) if wanted.as_str() == ground.layout.environment() => return None,
        Ok(wanted) => {
            let started = ground.layout.environment();
            format!("HOOKWRIGHT_ENV={wanted} takes effect after a restart; until then it is {started}")
        }
        Err(error) => error.message,
    };
    Some(Fault::of_file(VARIABLES, message))
}
