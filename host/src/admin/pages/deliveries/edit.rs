//! `/deliveries/{id}/replay`: a delivery sent again with another payload. What was typed stays until it is taken.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use maud::{Markup, html};
use serde_json::Value;

use super::actions;
use crate::admin::pages::door::Ask;
use crate::admin::pages::frame::{Nav, Page};
use crate::admin::pages::parts;
use crate::admin::{Admin, AdminState, params};
use crate::event::Event;
use crate::http::problem::{Kind, Problem};
use crate::ids::DeliveryId;
use crate::replay::Content;

/// What is in the form, and what is wrong with it.
struct Draft<'a> {
    data: &'a str,
    content_type: &'a str,
    wrong: Option<&'a Problem>,
}

pub(in crate::admin::pages) async fn form(
    State(admin): Admin,
    ask: Ask,
    Path(id): Path<String>,
) -> Result<Page, Problem> {
    let id = params::id(&id)?;
    let event = event_of(&admin, id).await?;
    let data = std::str::from_utf8(&event.data).map(in_lines);
    let body = html! {
        @match &data {
            Ok(data) => { (written(&ask, id, &Draft { data, content_type: &event.content_type, wrong: None })) }
            Err(_) => {
                p.muted { "Its payload is not text, so it cannot be edited here." }
                p { "With a file: " code { "hookwright delivery replay " (id) " --edit FILE" } }
            }
        }
    };
    Ok(page(id, &body))
}

fn page(id: DeliveryId, body: &Markup) -> Page {
    let body = html! {
        p.muted { a href="/deliveries" { "Deliveries" } " / " a href={ "/deliveries/" (id) } { code { (id) } } }
        h1 { "Edit and replay" }
        (body)
    };
    Page::new(Nav::Deliveries, "Edit and replay", body)
}

fn written(ask: &Ask, id: DeliveryId, draft: &Draft<'_>) -> Markup {
    let Draft { data, content_type, wrong } = draft;
    let is_of_type = wrong.is_some_and(|problem| problem.kind() == Kind::UnsupportedMediaType);
    let [of_type, of_data] = [wrong.filter(|_| is_of_type), wrong.filter(|_| !is_of_type)];
    let described = |name: &str, wrong: Option<&Problem>| {
        if wrong.is_some() { format!("{name}-error {name}-hint") } else { format!("{name}-hint") }
    };
    let told = |name: &str, wrong: Option<&Problem>| {
        html! { @if let Some(wrong) = wrong { p.error id={ (name) "-error" } role="alert" { (parts::inert(wrong.detail())) } } }
    };
    html! {
        p {
            "The webhook is sent this as a new event: under a new id, through today's schemas and plugins. "
            "The receiver gets a new delivery id as well, and takes it for a message it has not seen."
        }
        form method="post" action={ "/deliveries/" (id) "/replay" } {
            (parts::csrf(ask))
            input type="hidden" name="mode" value="edited";
            div.field {
                label for="content-type" { "Content type" }
                (told("content-type", of_type))
                input #content-type name="contentType" value=(content_type) spellcheck="false" autocapitalize="off"
                    aria-invalid=[of_type.map(|_| "true")] aria-describedby=(described("content-type", of_type));
                p.hint #content-type-hint { "JSON, such as application/json." }
            }
            div.field.wide {
                label for="data" { "Payload" }
                (told("data", of_data))
                textarea #data name="data" rows="24" spellcheck="false" autocapitalize="off"
                    aria-invalid=[of_data.map(|_| "true")] aria-describedby=(described("data", of_data)) { "\n" (data) }
                p.hint #data-hint { "Sent as it is written here." }
            }
            div.actions {
                button.main type="submit" { "Replay edited" }
                a.button href={ "/deliveries/" (id) } { "Back" }
            }
        }
    }
}

/// Sends what was typed, or shows it again with what is wrong.
pub(super) async fn send(admin: &AdminState, ask: &Ask, id: DeliveryId) -> Result<Response, Problem> {
    let (data, content_type) = (ask.sent.text("data"), ask.sent.text("contentType").trim());
    let event = event_of(admin, id).await?;
    let other_type = Some(content_type).filter(|text| !text.is_empty() && **text != *event.content_type);
    // Lines of a form end with LF, and JSON is shown in lines: what was not touched is sent byte for byte.
    let is_untouched = std::str::from_utf8(&event.data).is_ok_and(|text| in_lines(text).replace("\r\n", "\n") == data);
    let bytes = if is_untouched { event.data.clone() } else { data.to_owned().into() };
    let content = Content::Edited { data: bytes, content_type: other_type.map(str::to_owned) };
    match admin.send_again(ask.who(), id, content).await {
        Ok(made) => Ok(actions::made_of(id, made.id).into_response()),
        Err(problem) if problem.kind() == Kind::NotFound => Err(problem),
        Err(problem) => {
            let body = written(ask, id, &Draft { data, content_type, wrong: Some(&problem) });
            Ok(page(id, &body).status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
        }
    }
}

async fn event_of(admin: &AdminState, id: DeliveryId) -> Result<Event, Problem> {
    let gone = |what: String| Problem::new(Kind::NotFound, what);
    let view = admin.administration.delivery(id).await?;
    let view = view.ok_or_else(|| gone(format!("There is no delivery {id}.")))?;
    let event = admin.administration.event(view.event).await?;
    event.ok_or_else(|| gone(format!("The event of delivery {id} is not kept any more.")))
}

/// JSON in its lines, where that loses nothing.
fn in_lines(text: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    let written = value.to_string();
    if written == text { format!("{value:#}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_not_survive_lines_stays_as_it_is() {
        assert_eq!(in_lines(r#"{"a":[1]}"#), "{\n  \"a\": [\n    1\n  ]\n}");
        for kept in
            [r#"{"a":1.10}"#, r#"{"a": 1}"#, r#"{"a":1,"a":2}"#, r#"{"n":123456789012345678901234567890}"#, "no"]
        {
            assert_eq!(in_lines(kept), kept);
        }
    }
}
