//! Results of fixtures as JUnit XML, which every CI shows. The shape: <https://github.com/testmoapp/junitxml>.

use std::fmt::Write as _;

use super::super::diff;
use super::super::screen;
use super::test::UNWRITTEN;
use crate::author::suite::{Judgement, Report};

pub(super) fn as_xml(plugin: &str, report: &Report) -> String {
    let (tests, failures) = (report.cases.len(), report.failures());
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(xml, "<testsuites tests=\"{tests}\" failures=\"{failures}\">");
    let _ = writeln!(xml, "  <testsuite name=\"{}\" tests=\"{tests}\" failures=\"{failures}\">", escaped(plugin));
    for case in &report.cases {
        let (seconds, millionths) = (case.micros / 1_000_000, case.micros % 1_000_000);
        let _ = write!(
            xml,
            "    <testcase name=\"{}\" file=\"{}\" time=\"{seconds}.{millionths:06}\"",
            escaped(&case.name),
            escaped(&case.path.display().to_string())
        );
        let (message, text) = match &case.judgement {
            Judgement::Passed | Judgement::Updated => {
                xml.push_str("/>\n");
                continue;
            }
            Judgement::Unwritten => (UNWRITTEN, String::new()),
            Judgement::Unusable(reason) => ("the fixture cannot be used", reason.clone()),
            Judgement::Different { expected, got } => {
                ("other than expected", screen::uncoloured(&diff::rendered(expected, got, 0)))
            }
        };
        let _ = writeln!(
            xml,
            ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
            escaped(message),
            escaped(&text)
        );
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

/// As text and as an attribute. What XML cannot hold at all is replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::test::tests::report;
    use super::*;

    #[test]
    fn is_well_formed_whatever_it_holds() {
        insta::assert_snapshot!(as_xml("a\"b<c>\u{1b}", &report()), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites tests="5" failures="3">
          <testsuite name="a&quot;b&lt;c&gt;�" tests="5" failures="3">
            <testcase name="delivers" file="fixtures/delivers.json" time="0.000090"/>
            <testcase name="drafts" file="fixtures/drafts.json" time="0.000090">
              <failure message="other than expected">  {
        -   &quot;drop&quot;: &quot;no &amp; no&quot;
        +   &quot;deliver&quot;: {&quot;data&quot;:{&quot;a&quot;:&quot;&lt;1&gt;&quot;}}
          }</failure>
            </testcase>
            <testcase name="new" file="fixtures/new.json" time="0.000090">
              <failure message="says nothing of what is expected; `plugin test --update` writes what comes out"></failure>
            </testcase>
            <testcase name="typo" file="fixtures/typo.json" time="0.000090">
              <failure message="the fixture cannot be used">fixtures/typo.json: unknown field `confg`</failure>
            </testcase>
            <testcase name="written" file="fixtures/written.json" time="0.000090"/>
          </testsuite>
        </testsuites>
        "#);
    }
}
