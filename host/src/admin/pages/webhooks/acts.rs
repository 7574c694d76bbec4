//! What is done to a webhook beside changing what it is.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use maud::html;

use super::one::{self, Refused};
use crate::access::Told;
use crate::admin::pages::door::Ask;
use crate::admin::pages::frame::{Go, Nav, Page};
use crate::admin::pages::parts;
use crate::admin::switches::Switch;
use crate::admin::webhooks::retirement;
use crate::admin::{Admin, params};
use crate::http::problem::Problem;
use crate::ids::WebhookId;
use crate::managed::Asked;

pub(in crate::admin::pages) async fn enable(
    State(admin): Admin,
    ask: Ask,
    Path(id): Path<String>,
) -> Result<Go, Problem> {
    let (id, switch) = switch(admin, &ask, &id)?;
    let switched = switch.enable().await?.0;
    let ill = if switched.was_ill == Some(true) { " Its receiver was failing: it is tried again at once." } else { "" };
    let told = if switched.changed {
        format!("Webhook {id} is enabled.{ill}")
    } else {
        format!("Webhook {id} was enabled already.{ill}")
    };
    Ok(back(&ask, &id).telling(Told::good(told)))
}

pub(in crate::admin::pages) async fn disable(
    State(admin): Admin,
    ask: Ask,
    Path(id): Path<String>,
) -> Result<Go, Problem> {
    let (id, switch) = switch(admin, &ask, &id)?;
    let _ = switch.disable().await?;
    let told =
        format!("Webhook {id} is disabled: it takes no new deliveries, and those that are not finished are held.");
    Ok(back(&ask, &id).telling(Told::good(told)))
}

pub(in crate::admin::pages) async fn pause(
    State(admin): Admin,
    ask: Ask,
    Path(id): Path<String>,
) -> Result<Go, Problem> {
    let (id, switch) = switch(admin, &ask, &id)?;
    let _ = switch.pause().await?;
    Ok(back(&ask, &id).telling(Told::good(format!("Webhook {id} is paused: deliveries gather until it is resumed."))))
}

pub(in crate::admin::pages) async fn resume(
    State(admin): Admin,
    ask: Ask,
    Path(id): Path<String>,
) -> Result<Go, Problem> {
    let (id, switch) = switch(admin, &ask, &id)?;
    let _ = switch.resume().await?;
    Ok(back(&ask, &id).telling(Told::good(format!("Webhook {id} is resumed: what gathered is sent."))))
}

fn switch(
    admin: std::sync::Arc<crate::admin::AdminState>,
    ask: &Ask,
    id: &str,
) -> Result<(WebhookId, Switch), Problem> {
    let id: WebhookId = params::id(id)?;
    let switch = Switch::of(admin, ask.who().clone(), &id, None)?;
    Ok((id, switch))
}

/// To the page it was asked on: the list has a field that says which part of it.
fn back(ask: &Ask, id: &WebhookId) -> Go {
    match ask.sent.get("list").map(str::parse::<WebhookId>) {
        None => Go::to(format!("/webhooks/{id}")),
        Some(Ok(after)) => Go::to(format!("/webhooks?after={after}")),
        Some(Err(_)) => Go::to("/webhooks"),
    }
}

pub(in crate::admin::pages) async fn remove(
    State(admin): Admin,
    ask: Ask,
    Path(id): Path<String>,
) -> Result<Go, Problem> {
    let id: WebhookId = params::id(&id)?;
    admin.remove_webhook(id.clone(), Asked { who: ask.who().clone(), known: None }).await?;
    let told = format!("Webhook {id} is deleted. What it had not delivered is held, under its id.");
    Ok(Go::to("/webhooks").telling(Told::good(told)))
}

/// The secret is shown on the next page, once.
pub(in crate::admin::pages) async fn rotate(
    State(admin): Admin,
    ask: Ask,
    Path(text): Path<String>,
) -> Result<Response, Problem> {
    let id: WebhookId = params::id(&text)?;
    let keep_old = match retirement(ask.sent.filled("keepOld")) {
        Ok(keep_old) => keep_old,
        Err(problem) => {
            let refused = Refused { typed: ask.sent.text("keepOld").to_owned(), error: problem.detail().to_owned() };
            let page = one::whole(&admin, &ask, &id, Some(&refused)).await?;
            return Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response());
        }
    };
    let edited = admin.managed.rotate(id.clone(), keep_old, Asked { who: ask.who().clone(), known: None }).await?;
    let told = if keep_old.is_zero() {
        format!("Webhook {id} signs with this secret, and no other.")
    } else {
        let kept = crate::duration::written(keep_old);
        format!("Webhook {id} signs with this secret too. The earlier ones are used for {kept} more.")
    };
    let told = Told::good(told).with_secret(edited.secret.map(|secret| secret.expose()));
    Ok(Go::to(format!("/webhooks/{id}")).telling(told).into_response())
}

pub(in crate::admin::pages) async fn export(
    State(admin): Admin,
    _: Ask,
    Path(id): Path<String>,
) -> Result<Page, Problem> {
    let id: WebhookId = params::id(&id)?;
    let exported = admin.managed.export(&id).await?;
    let text = format!("{:#}", exported.file);
    let body = html! {
        h1 { "Export of webhook " (id) }
        p { "As a file, it would be " code { "config/webhooks/" (id) ".json" } ":" }
        (parts::payload(text.as_bytes()))
        p.actions { button type="button" data-copy=(text) { "Copy" } a href={ "/webhooks/" (id) } { "Back to the webhook" } }
        @if exported.variables.is_empty() {
            p { "It needs no secret." }
        } @else {
            h2 { "Variables it needs" }
            p { "Their values are shown nowhere: they must be known elsewhere. Set them in the environment or in " code { ".env" } "." }
            ul { @for variable in &exported.variables { li { code { (variable) } } } }
        }
        p.hint { "While the file is there, it has the last word; delete the webhook here to leave it to the file alone." }
    };
    Ok(Page::new(Nav::Webhooks, format!("Export of webhook {id}"), body))
}
