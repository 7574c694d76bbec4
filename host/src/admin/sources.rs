//! `GET /v1/sources`: who may post events, and how they came to.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::tokens::texts;
use super::{Admin, AdminState};
use crate::access::{Posts, Token, TokenState};
use crate::clock::{self, Timestamp};
use crate::ids::{SourceName, TokenId, TokenName};
use crate::revision::Revision;

#[derive(Serialize, JsonSchema)]
pub(super) struct SourceList {
    /// By name.
    pub(super) sources: Vec<SourceView>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SourceView {
    pub(super) name: SourceName,
    /// `config`: in config/server.json; `host`: made by the host while that names none; `tokens`: by its tokens only,
    /// with the settings that hold by default.
    pub(super) from: Origin,
    /// Since the host started.
    pub(super) last_used: Option<Timestamp>,
    /// Those of its tokens that are good and were made over the API.
    pub(super) tokens: Vec<SourceToken>,
}

#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Origin {
    Config,
    Host,
    Tokens,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SourceToken {
    pub(super) id: TokenId,
    pub(super) name: TokenName,
    /// The types it is limited to; none: all.
    pub(super) events: Vec<String>,
    pub(super) expires: Option<Timestamp>,
    pub(super) last_used: Option<Timestamp>,
}

pub(super) async fn list(State(admin): Admin) -> Json<SourceList> {
    Json(SourceList { sources: admin.all_sources(&admin.live.load_full()).into_values().collect() })
}

impl AdminState {
    /// The names of all sources.
    pub(super) fn source_names(&self, revision: &Revision) -> Vec<SourceName> {
        self.all_sources(revision).into_keys().collect()
    }

    fn all_sources(&self, revision: &Revision) -> BTreeMap<SourceName, SourceView> {
        let now = clock::now();
        let origin = if revision.server.sources.is_empty() { Origin::Host } else { Origin::Config };
        let declared = self.intake.sources(revision).iter().map(|source| (source.name.clone(), origin));
        let mut sources: BTreeMap<_, _> =
            declared.map(|(name, from)| (name.clone(), SourceView::new(name, from))).collect();
        for token in self.tokens.list(now) {
            if token.state(now) == TokenState::Valid
                && let Some(posts) = token.posts.clone()
            {
                let Posts { source: name, events } = posts;
                let source = sources.entry(name.clone()).or_insert_with(|| SourceView::new(name, Origin::Tokens));
                let Token { id, name, expires, last_used, .. } = token;
                source.tokens.push(SourceToken { id, name, events: texts(&events), expires, last_used });
            }
        }
        for source in sources.values_mut() {
            source.last_used = self.intake.last_use(&source.name);
        }
        sources
    }
}

impl Origin {
    /// In words.
    pub(super) const fn told(self) -> &'static str {
        match self {
            Self::Config => "config/server.json",
            Self::Host => "the host, while config/server.json names none",
            Self::Tokens => "tokens made here",
        }
    }
}

impl SourceView {
    const fn new(name: SourceName, from: Origin) -> Self {
        Self { name, from, last_used: None, tokens: Vec::new() }
    }
}
