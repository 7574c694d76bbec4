//! A plugin put in its place from a browser, by the same way as over the API: every check of a reload comes first.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use maud::html;

use super::super::door::Ask;
use super::super::figures;
use super::super::frame::{Go, Nav, Page};
use super::super::parts::{csrf, ticked};
use crate::access::Told;
use crate::admin::Admin;
use crate::admin::plugins::Uploaded;
use crate::http::problem::{Kind, Problem};
use crate::ids::PluginName;
use crate::plugin::MAX_PLUGIN_FILE_BYTES;

/// What is wrong: with the name, with the file, or with all.
#[derive(Default)]
struct Wrong {
    name: Option<String>,
    file: Option<String>,
}

pub(in super::super) async fn form(ask: Ask) -> Page {
    let query = ask.uri.query().unwrap_or_default();
    let name =
        url::form_urlencoded::parse(query.as_bytes()).find_map(|(name, value)| (name == "name").then_some(value));
    page(&ask, &name.unwrap_or_default(), &Wrong::default())
}

pub(in super::super) async fn upload(State(admin): Admin, ask: Ask) -> Result<Response, Problem> {
    let text = ask.sent.text("name").trim().to_owned();
    let mut wrong = Wrong::default();
    let name = text.parse::<PluginName>().map_err(|error| wrong.name = Some(format!("{error}."))).ok();
    let file = ask.sent.file.clone().filter(|file| !file.is_empty());
    if file.is_none() {
        wrong.file = Some("Choose the plugin's file, such as redact.wasm.".to_owned());
    }
    let (Some(name), Some(file)) = (name, file) else {
        return Ok(refused(&ask, &text, &wrong, StatusCode::UNPROCESSABLE_ENTITY));
    };
    let outcome = match admin.one_upload() {
        Ok(_one) => admin.put_plugin(ask.who(), &name, file).await,
        Err(problem) => Err(problem),
    };
    let told = match outcome {
        Ok(Uploaded::Known) => format!("{name} is in force in this version already."),
        Ok(Uploaded::New) => format!("{name} is in force."),
        Ok(Uploaded::Replaced) => {
            format!("{name} is in force in its new version. `hookwright plugin rollback {name}` goes back.")
        }
        Err(problem)
            if matches!(
                problem.kind(),
                Kind::InvalidDefinition | Kind::WrongState | Kind::TooManyRuns | Kind::StoreUnavailable
            ) =>
        {
            wrong.file = Some(format!("{} Choose the file again, once it is mended.", problem.detail()));
            return Ok(refused(&ask, &text, &wrong, problem.kind().status()));
        }
        Err(problem) => return Err(problem),
    };
    Ok(Go::to(format!("/plugins/{name}")).telling(Told::good(told)).into_response())
}

fn refused(ask: &Ask, name: &str, wrong: &Wrong, status: StatusCode) -> Response {
    page(ask, name, wrong).status(status).into_response()
}

fn page(ask: &Ask, name: &str, wrong: &Wrong) -> Page {
    let body = html! {
        h1 { "Upload a plugin" }
        p { "The file is checked as a reload checks it: its form, what it asks for, that it compiles and starts, and that it takes what "
            "its webhooks configure. Only then it is put into " code { "plugins/" } ", and is in force before you are told so." }
        form method="post" action="/plugins/upload" enctype="multipart/form-data" {
            (csrf(ask))
            div.field {
                label for="name" { "Name" }
                input #name name="name" value=(name) required spellcheck="false" autocomplete="off"
                    aria-invalid=[wrong.name.as_ref().map(|_| "true")] aria-describedby="name-hint name-error";
                p.hint #name-hint { "As webhooks name it: the file's name without .wasm. One of this name is replaced, and kept." }
                @if let Some(error) = &wrong.name { p.error #name-error role="alert" { (ticked(error)) } }
            }
            div.field {
                label for="file" { "File" }
                input #file type="file" name="file" accept=".wasm,application/wasm" required
                    aria-invalid=[wrong.file.as_ref().map(|_| "true")] aria-describedby="file-hint file-error";
                p.hint #file-hint { "A module or component of WebAssembly, at most " (figures::bytes(MAX_PLUGIN_FILE_BYTES)) "." }
                @if let Some(error) = &wrong.file { p.error #file-error role="alert" { (ticked(error)) } }
            }
            button.main type="submit" { "Upload" }
        }
    };
    Page::new(Nav::Plugins, "Upload a plugin", body)
}
