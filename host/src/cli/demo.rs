use super::Exit;
use std::path::Path;
#[derive(Debug, clap::Args)]
pub(super) struct DemoArgs {}
pub(super) async fn run(_home: &Path, _args: DemoArgs) -> anyhow::Result<Exit> {
    todo!()
}
