//! In QuickJS, as a host of JavaScript plugins would: the function compiled into a context, text in, text out.

use anyhow::Context as _;
use bytes::Bytes;
use rquickjs::{Context, Ctx, Function, Persistent, Runtime};

use super::contestant::Contestant;

/// What `edit` does.
const SOURCE: &str =
    r#"(body) => { const event = JSON.parse(body); event.entry.email = "***"; return JSON.stringify(event); }"#;

/// A context for each call: what keeps one event from the next.
pub(crate) struct Fresh {
    runtime: Runtime,
    body: String,
}

impl Fresh {
    pub(crate) fn new(body: &Bytes) -> anyhow::Result<Self> {
        Ok(Self { runtime: Runtime::new()?, body: text(body)? })
    }
}

impl Contestant for Fresh {
    fn call(&mut self) -> anyhow::Result<Vec<u8>> {
        let context = Context::full(&self.runtime)?;
        context.with(|ctx| edited(&ctx, &function(&ctx)?, &self.body))
    }
}

/// One context for all.
pub(crate) struct Reused {
    // Before the context that it is of: dropped in this order.
    function: Option<Persistent<Function<'static>>>,
    context: Context,
    body: String,
}

impl Reused {
    pub(crate) fn new(body: &Bytes) -> anyhow::Result<Self> {
        let context = Context::full(&Runtime::new()?)?;
        let function = context.with(|ctx| anyhow::Ok(Persistent::save(&ctx, function(&ctx)?)))?;
        Ok(Self { function: Some(function), context, body: text(body)? })
    }
}

impl Contestant for Reused {
    fn call(&mut self) -> anyhow::Result<Vec<u8>> {
        let function = self.function.clone().context("kept until dropped")?;
        self.context.with(|ctx| edited(&ctx, &function.restore(&ctx)?, &self.body))
    }
}

fn text(body: &Bytes) -> anyhow::Result<String> {
    Ok(std::str::from_utf8(body)?.to_owned())
}

fn function<'js>(ctx: &Ctx<'js>) -> anyhow::Result<Function<'js>> {
    Ok(ctx.eval(SOURCE)?)
}

fn edited<'js>(_: &Ctx<'js>, function: &Function<'js>, body: &str) -> anyhow::Result<Vec<u8>> {
    let text: String = function.call((body,))?;
    Ok(text.into_bytes())
}
