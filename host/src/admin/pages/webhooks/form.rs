//! The form that makes a webhook, and the same that changes one.
//!
//! Buttons that change the form answer it anew, with what was typed; only one button saves. What was refused stands beside what it
//! is about.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::draft::{Draft, Known};
use super::fields::Errors;
use super::one::absent;
use super::schema::{self, Field};
use super::sections::{Form, page};
use crate::access::{Role, Told};
use crate::admin::pages::door::Ask;
use crate::admin::pages::frame::{Go, Page};
use crate::admin::{Admin, AdminState, params};
use crate::http::problem::{Kind, Problem};
use crate::ids::{PluginName, WebhookId};
use crate::managed::{Asked, EditError};
use crate::revision::Revision;
use crate::schemas::Violation;

pub(in crate::admin::pages) async fn new(State(admin): Admin, ask: Ask) -> Result<Page, Problem> {
    let subject = Subject::new_one(&admin);
    let draft = subject.with_known(|known| Draft::of(&subject.shown, known));
    Ok(subject.page(&ask, &draft, Vec::new(), None))
}

pub(in crate::admin::pages) async fn create(State(admin): Admin, ask: Ask) -> Result<Response, Problem> {
    let subject = Subject::new_one(&admin);
    let mut draft = Draft::sent(&ask.sent);
    if let Some(page) = subject.changed(&ask, &mut draft) {
        return Ok(page.into_response());
    }
    let mut definition = match subject.with_known(|known| draft.definition(&subject.shown, known)) {
        Ok(definition) => definition,
        Err(faults) => return Ok(subject.refused(&ask, &draft, faults, None)),
    };
    if !draft.id.is_empty() {
        if let Err(error) = draft.id.parse::<WebhookId>() {
            let fault = Violation { pointer: "/id".to_owned(), keyword: "form".to_owned(), message: error.to_string() };
            return Ok(subject.refused(&ask, &draft, vec![fault], None));
        }
        definition["id"] = json!(draft.id);
    }
    let key = Some(ask.sent.text("key").to_owned()).filter(|key| !key.is_empty() && key.len() <= MOST_KEY_BYTES);
    let may_see = ask.may(Role::Admin);
    let is_signed_here = definition.get("signing").is_none();
    match admin.create_webhook(definition, key, ask.who().clone()).await {
        Ok(edited) => {
            let told = match (is_signed_here, may_see) {
                (true, true) => format!("Webhook {} is made. Its receiver verifies with this secret:", edited.id),
                (true, false) => format!(
                    "Webhook {} is made. Its signing secret is shown to nobody; an admin can rotate it to see one.",
                    edited.id
                ),
                (false, _) => format!("Webhook {} is made.", edited.id),
            };
            let told = Told::good(told).with_secret(edited.secret.map(|secret| secret.expose()));
            Ok(Go::to(format!("/webhooks/{}", edited.id)).telling(told).into_response())
        }
        Err(problem) => subject.problem(&ask, &draft, problem),
    }
}

/// Of a key that tells the same form sent twice from two.
const MOST_KEY_BYTES: usize = 64;

pub(in crate::admin::pages) async fn edit(
    State(admin): Admin,
    ask: Ask,
    Path(id): Path<String>,
) -> Result<Page, Problem> {
    let subject = Subject::of(&admin, params::id(&id)?)?;
    let draft = subject.with_known(|known| Draft::of(&subject.shown, known));
    Ok(subject.page(&ask, &draft, Vec::new(), None))
}

pub(in crate::admin::pages) async fn save(
    State(admin): Admin,
    ask: Ask,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id: WebhookId = params::id(&id)?;
    let subject = Subject::of(&admin, id.clone())?;
    let mut draft = Draft::sent(&ask.sent);
    if let Some(page) = subject.changed(&ask, &mut draft) {
        return Ok(page.into_response());
    }
    // What was shown is what it is written into; of another version that would mix two.
    let version = ask.sent.text("version").parse::<i64>().ok();
    if version != subject.version {
        return subject.problem(&ask, &draft, EditError::ChangedMeanwhile(id).into());
    }
    let definition = match subject.with_known(|known| draft.definition(&subject.shown, known)) {
        Ok(definition) => definition,
        Err(faults) => return Ok(subject.refused(&ask, &draft, faults, None)),
    };
    let asked = Asked { who: ask.who().clone(), known: version };
    match admin.managed.replace(id.clone(), definition, asked).await {
        Ok(edited) => {
            let told = if edited.changed {
                format!("Webhook {id} is saved, and in force.")
            } else {
                "Nothing was changed.".to_owned()
            };
            Ok(Go::to(format!("/webhooks/{id}")).telling(Told::good(told)).into_response())
        }
        Err(error) => subject.problem(&ask, &draft, error.into()),
    }
}

/// What the form is about.
struct Subject {
    revision: Arc<Revision>,
    /// None: a new one.
    id: Option<WebhookId>,
    version: Option<i64>,
    shown: Value,
    /// Event types that have a box.
    types: Vec<String>,
}

impl Subject {
    fn new_one(admin: &AdminState) -> Self {
        let revision = admin.live.load_full();
        Self { types: types(&revision), revision, id: None, version: None, shown: json!({}) }
    }

    fn of(admin: &AdminState, id: WebhookId) -> Result<Self, Problem> {
        let revision = admin.live.load_full();
        let webhook = revision.webhooks.get(&id).ok_or_else(|| absent(&id))?;
        let Some(managed) = webhook.managed() else { return Err(EditError::InFile(id).into()) };
        let (version, shown) = (Some(managed.version), webhook.shown());
        Ok(Self { types: types(&revision), id: Some(id), version, shown, revision })
    }

    fn with_known<T>(&self, look: impl FnOnce(&Known<'_>) -> T) -> T {
        let fields = |name: &str| plugin_fields(&self.revision, name);
        look(&Known { types: &self.types, fields: &fields })
    }

    /// The form anew, if another button than the one that saves was used.
    fn changed(&self, ask: &Ask, draft: &mut Draft) -> Option<Page> {
        let what = ask.sent.text("do");
        if what == "save" || what.is_empty() {
            return None;
        }
        draft.change(what, ask.sent.text("newPlugin"));
        Some(self.page(ask, draft, Vec::new(), None))
    }

    fn problem(&self, ask: &Ask, draft: &Draft, problem: Problem) -> Result<Response, Problem> {
        match problem.kind() {
            Kind::NotFound | Kind::ManagedByFile | Kind::StoreUnavailable | Kind::ShuttingDown => Err(problem),
            _ => {
                let field = problem.field().map(|field| format!("/{field}"));
                let faults = match (problem.violations(), field) {
                    (faults, None) => faults,
                    (_, Some(pointer)) => {
                        vec![Violation { pointer, keyword: "form".to_owned(), message: problem.detail().to_owned() }]
                    }
                };
                Ok(self.refused(ask, draft, faults, Some(&problem)))
            }
        }
    }

    fn refused(&self, ask: &Ask, draft: &Draft, faults: Vec<Violation>, problem: Option<&Problem>) -> Response {
        let status = problem.map_or(StatusCode::UNPROCESSABLE_ENTITY, |problem| problem.kind().status());
        self.page(ask, draft, faults, problem).status(status).into_response()
    }

    fn page(&self, ask: &Ask, draft: &Draft, faults: Vec<Violation>, problem: Option<&Problem>) -> Page {
        let errors = Errors::new(faults);
        let key = ask.sent.filled("key").map_or_else(|| format!("{:032x}", rand::random::<u128>()), str::to_owned);
        // What was shown first, also where it was changed meanwhile: then it is not saved.
        let version = ask.sent.filled("version").map(str::to_owned).or(self.version.map(|version| version.to_string()));
        self.with_known(|known| {
            page(
                ask,
                &Form {
                    id: self.id.as_ref(),
                    version: version.as_deref(),
                    key: &key,
                    shown: &self.shown,
                    draft,
                    known,
                    revision: &self.revision,
                    errors: &errors,
                    problem,
                },
            )
        })
    }
}

/// Those that have a schema.
fn types(revision: &Revision) -> Vec<String> {
    revision.schemas.event_types().map(str::to_owned).collect()
}

fn plugin_fields(revision: &Revision, name: &str) -> Option<Vec<Field>> {
    let name: PluginName = name.parse().ok()?;
    let plugin = revision.plugins.get(&name)?;
    schema::fields(&serde_json::from_str(&plugin.manifest.config_schema).ok()?)
}
