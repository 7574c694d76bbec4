//! `check --against`: what the files of a home would make otherwise of events that are stored.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use owo_colors::Style;
use serde_json::Value;

use super::super::progress::Progress;
use super::super::{differences, json, screen};
use crate::against::{Against, Report, Selection};
use crate::clock;
use crate::config::{Home, sqlite_path};
use crate::revision::Revision;
use crate::store::sqlite::ReadOnly;
use crate::tasks;

#[derive(Debug, Args)]
pub(super) struct AgainstArgs {
    /// Try the files on stored events: last:500, since:2h, or an event's id. Fails on any difference from the record
    #[arg(long, value_name = "EVENTS")]
    against: Option<Selection>,
    /// The store with these events, such as sqlite:copy-of-production.db [default: that of the home]
    #[arg(long, value_name = "URL", requires = "against")]
    store: Option<StoreUrl>,
    /// Show so many differences in full
    #[arg(long, value_name = "NUMBER", default_value_t = 20, requires = "against",
        value_parser = clap::value_parser!(u16).range(0..=MOST_SHOWN))]
    show: u16,
}

/// Each may have some kilobytes.
const MOST_SHOWN: i64 = 1_000;

/// A store on the command line: its path is relative to where the command is typed.
#[derive(Clone, Debug)]
struct StoreUrl(PathBuf);

impl FromStr for StoreUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = sqlite_path(text).ok_or("expected sqlite: and the path of a file, such as sqlite:copy.db")?;
        Ok(Self(path.into()))
    }
}

impl AgainstArgs {
    pub(super) const fn selection(&self) -> Option<Selection> {
        self.against
    }
}

/// Tries the revision. The report as programs get it.
pub(super) async fn report(
    home: &Home,
    revision: Arc<Revision>,
    selection: Selection,
    args: &AgainstArgs,
) -> anyhow::Result<Value> {
    let own = || home.root().join(&revision.server.store_path);
    let path = args.store.as_ref().map_or_else(own, |StoreUrl(path)| path.clone());
    let store = tasks::blocking(move || ReadOnly::open(&path)).await?;
    let against = Against { revision, store, selection, now: clock::now(), show: args.show.into() };
    let mut progress = Progress::new();
    let result = against.run(|report| progress.show(|| tried(report))).await;
    progress.end();
    Ok(serde_json::to_value(result?)?)
}

/// Whether anything would become otherwise.
pub(super) fn differs(report: &Value) -> bool {
    json::number(report, "/different") > 0
}

pub(super) fn as_text(report: &Value) -> String {
    let number = |pointer| json::number(report, pointer);
    if number("/events") + number("/quarantined") == 0 {
        return "Nothing was tried: the store holds no such event.".to_owned();
    }
    let mut parts = vec![head(report)];
    parts.extend(table(report).map(|table| table.render(2)));
    let mut groups: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    let shown = json::list(report, "/differences");
    for found in shown {
        groups.entry(json::text(found, "/webhook")).or_default().push(found);
    }
    parts.extend(groups.iter().map(|(webhook, found)| group(webhook, found)));
    let hidden = number("/different").saturating_sub(shown.len() as u64);
    if hidden > 0 {
        parts.push(screen::faint(&format!("{hidden} more differences are not shown; --show NUMBER shows more")));
    }
    parts.join("\n\n")
}

fn head(report: &Value) -> String {
    let counted = |pointer, thing| screen::counted(usize::try_from(json::number(report, pointer)).unwrap_or(0), thing);
    let (events, different) = (counted("/events", "event"), counted("/different", "difference"));
    let mut text = if differs(report) {
        format!(
            "{} {}",
            screen::styled("≠", Style::new().yellow()),
            screen::heading(&format!("{different} in {events}"))
        )
    } else {
        format!("{} nothing differs in {events}", screen::styled("✓", Style::new().green()))
    };
    let [oldest, newest] = ["/oldest", "/newest"].map(|pointer| json::text(report, pointer));
    if !oldest.is_empty() {
        text.push_str(&screen::faint(&format!(" ({oldest} to {newest})")));
    }
    let (refused, admitted) = ("/refused", "/admitted");
    for (pointer, thing, words) in [(refused, "event", "be refused"), (admitted, "quarantined event", "be let in")] {
        if json::number(report, pointer) > 0 {
            let _ = write!(text, "\n  {} would {words}", counted(pointer, thing));
        }
    }
    text
}

fn table(report: &Value) -> Option<screen::Table> {
    let webhooks = report.pointer("/webhooks")?.as_object().filter(|webhooks| !webhooks.is_empty())?;
    let mut table = screen::Table::new([
        "WEBHOOK",
        "SAME",
        "DIFFERENT",
        "VERDICT",
        "PAYLOAD",
        "HEADERS",
        "MATCHED",
        "UNMATCHED",
        "NOT RUN",
        "HELD UNRUN",
    ]);
    for (webhook, counts) in webhooks {
        let cell = |pointer, style| {
            let count = json::number(counts, pointer);
            (count.to_string(), if count == 0 { Style::new().dimmed() } else { style })
        };
        let (plain, yellow) = (Style::new(), Style::new().yellow());
        table.row([
            screen::plain(webhook),
            cell("/same", plain),
            cell("/different", yellow),
            cell("/verdict", plain),
            cell("/payload", plain),
            cell("/headers", plain),
            cell("/matched", yellow),
            cell("/unmatched", yellow),
            cell("/notCompared/notRun", plain),
            cell("/notCompared/heldUnrun", plain),
        ]);
    }
    Some(table)
}

/// The differences of one webhook; without a name, of the intake.
fn group(webhook: &str, found: &[&Value]) -> String {
    let mut text = screen::heading(if webhook.is_empty() { "intake" } else { webhook });
    for found in found {
        let ids = ["/eventType", "/event", "/quarantined", "/delivery"].map(|pointer| json::text(found, pointer));
        let ids: Vec<_> = ids.into_iter().filter(|id| !id.is_empty()).collect();
        let _ = write!(text, "\n\n  {}\n{}", screen::heading(&ids.join("  ")), differences::rendered(found, 4));
    }
    text
}

fn tried(report: &Report) -> String {
    format!("tried {} events, {} differences", report.events(), report.different())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_first_then_differences_by_webhook() {
        let verdict = |before: &str, after: &str| json!({"before": before, "after": after});
        let mut report = json!({
            "events": 500, "oldest": "2026-11-23T20:00:00.000Z", "newest": "2026-11-24T20:00:00.000Z",
            "refused": 1, "quarantined": 3, "admitted": 1, "different": 30,
            "webhooks": {
                "search": {"same": 498, "unmatched": 1, "notCompared": {"notRun": 1}},
                "site-build": {"same": 400, "different": 27, "verdict": 2, "payload": 25, "notCompared": {"heldUnrun": 72}}},
            "differences": [
                {"what": "different", "event": "evt_1", "eventType": "entry.create", "webhook": "site-build", "delivery": "dlv_1",
                 "verdict": verdict("deliver", "drop by redact: a draft \u{1b}[2J")},
                {"what": "refused", "event": "evt_2", "eventType": "entry.create", "verdict": verdict("accepted", "refused: /entry/title is absent")},
                {"what": "unmatched", "event": "evt_3", "eventType": "entry.update", "webhook": "search", "delivery": "dlv_3",
                 "verdict": verdict("deliver", "no delivery: the webhook is gone")},
                {"what": "admitted", "quarantined": "qrt_1", "eventType": "entry.create", "verdict": verdict("refused", "let in, for search")}]});
        insta::assert_snapshot!(screen::uncoloured(&as_text(&report)), @r"
        ≠ 30 differences in 500 events (2026-11-23T20:00:00.000Z to 2026-11-24T20:00:00.000Z)
          1 event would be refused
          1 quarantined event would be let in

          WEBHOOK     SAME  DIFFERENT  VERDICT  PAYLOAD  HEADERS  MATCHED  UNMATCHED  NOT RUN  HELD UNRUN
          search      498   0          0        0        0        0        1          1        0
          site-build  400   27         2        25       0        0        0          0        72

        intake

          entry.create  evt_2
            - accepted
            + refused: /entry/title is absent

          entry.create  qrt_1
            - refused
            + let in, for search

        search

          entry.update  evt_3  dlv_3
            - deliver
            + no delivery: the webhook is gone

        site-build

          entry.create  evt_1  dlv_1
            - deliver
            + drop by redact: a draft \u{1b}[2J

        26 more differences are not shown; --show NUMBER shows more
        ");
        report = json!({"events": 1, "oldest": "2026-11-23T20:00:00.000Z", "newest": "2026-11-23T20:00:00.000Z", "different": 0});
        insta::assert_snapshot!(screen::uncoloured(&as_text(&report)), @"✓ nothing differs in 1 event (2026-11-23T20:00:00.000Z to 2026-11-23T20:00:00.000Z)");
        report = json!({"events": 0});
        insta::assert_snapshot!(screen::uncoloured(&as_text(&report)), @"Nothing was tried: the store holds no such event.");
    }

    #[test]
    fn takes_any_answer() {
        for answer in [json!(null), json!({"events": 1, "webhooks": {"a": 1}, "differences": [1], "different": "x"})] {
            as_text(&answer);
        }
    }
}
