//! `reload`: makes the running host read its folders again.

use std::path::Path;

use clap::Args;
use serde_json::Value;

use super::{Exit, Format, discovery, json, screen, status};

#[derive(Debug, Args)]
pub(super) struct ReloadArgs {
    /// Take files that vanished as removed, even a whole folder of them
    #[arg(long)]
    accept_removals: bool,
    #[command(flatten)]
    format: Format,
}

pub(super) async fn run(home: &Path, args: ReloadArgs) -> anyhow::Result<Exit> {
    let path = if args.accept_removals { "/v1/reload?acceptRemovals=true" } else { "/v1/reload" };
    let answer = discovery::admin(home)?.act(path).await?;
    screen::line(&if args.format.json { answer.to_string() } else { as_text(&answer) })?;
    Ok(if faults(&answer).is_empty() { Exit::Ok } else { Exit::Configuration })
}

fn faults(answer: &Value) -> &[Value] {
    let flat = json::list(answer, "/faults");
    if flat.is_empty() { json::list(answer, "/revision/faults") } else { flat }
}

fn as_text(answer: &Value) -> String {
    let number = json::text(answer, "/revision/number");
    let number = if number.is_empty() { json::text(answer, "/revision") } else { number };
    let text = format!("Revision {} is in force.", screen::inert(&number));
    match faults(answer) {
        [] => text,
        faults => format!("{text}\n\n{}", status::faults_text(faults)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn says_what_is_in_force_and_what_is_not() {
        let answer = json!({"revision": 4, "faults": [
            {"file": "schemas/entry.create.json", "pointer": "", "message": "is not JSON: line 3", "lastGoodInForce": true}]});
        insta::assert_snapshot!(screen::uncoloured(&as_text(&answer)), @r"
        Revision 4 is in force.

        At fault
          ✗ schemas/entry.create.json
            is not JSON: line 3
            its last good version stays in force
        ");
    }
}
