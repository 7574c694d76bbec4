//! Webhooks are judged by the address policy of the same revision.

use super::*;

fn to(url: &str) -> String {
    format!(r#"{{"url": "{url}", "events": ["*"]}}"#)
}

fn allowing(cidr: &str) -> String {
    format!(r#"{{"egress": {{"allow": ["{cidr}"]}}}}"#)
}

fn said(revision: &Revision) -> String {
    revision.faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_special_address_is_a_fault_of_its_webhook_with_the_range_that_opens_it() {
    let home = TestHome::new();
    home.write(".env", "RELOAD_TEST_HOST=10.20.0.5\n");
    for (id, url) in [
        ("a", "http://10.20.0.5:8080/hook?token=abc"),
        ("b", "http://0x7f.1/"),
        ("c", "https://[::ffff:192.168.1.1]/"),
        ("d", "http://[fd12::1]/"),
        ("e", "http://app.localhost./"),
        ("f", "http://2852039166/"),
        ("g", "http://${RELOAD_TEST_HOST}/"),
        ("open", "https://receiver.example/open"),
    ] {
        home.write(&format!("config/webhooks/{id}.json"), to(url));
    }
    let bench = Bench::start(home);
    assert_eq!(bench.revision().webhooks.keys().map(ToString::to_string).collect::<Vec<_>>(), ["open"]);
    insta::assert_snapshot!(said(bench.revision()), @r#"
    config/webhooks/a.json /url: 10.20.0.5 is refused: private (10.0.0.0/8); "10.20.0.5/32" under egress.allow in config/server.json opens it; written: "http://10.20.0.5:8080/hook?…"
    config/webhooks/b.json /url: 127.0.0.1 is refused: loopback (127.0.0.0/8); "127.0.0.1/32" under egress.allow in config/server.json opens it; written: "http://0x7f.1/"
    config/webhooks/c.json /url: ::ffff:192.168.1.1 is refused: private (192.168.0.0/16); "192.168.1.1/32" under egress.allow in config/server.json opens it; written: "https://[::ffff:192.168.1.1]/"
    config/webhooks/d.json /url: fd12::1 is refused: private (fc00::/7); "fd12::1/128" under egress.allow in config/server.json opens it; written: "http://[fd12::1]/"
    config/webhooks/e.json /url: 127.0.0.1 is refused: loopback (127.0.0.0/8); "127.0.0.1/32" under egress.allow in config/server.json opens it; written: "http://app.localhost./"
    config/webhooks/f.json /url: 169.254.169.254 is refused: a cloud metadata service, never opened; written: "http://2852039166/"
    config/webhooks/g.json /url: 10.20.0.5 is refused: private (10.0.0.0/8); "10.20.0.5/32" under egress.allow in config/server.json opens it; written: "http://${RELOAD_TEST_HOST}/"
    "#);
}

#[test]
fn every_webhook_is_judged_again_when_the_policy_changes() {
    let home = TestHome::filled();
    home.write("config/webhooks/a.json", to("http://10.20.0.5/a"));
    let mut bench = Bench::start(home);
    assert_eq!(url(bench.revision(), "a"), None);
    let opened = bench.write("config/server.json", allowing("10.20.0.0/16"));
    assert_eq!((url(opened, "a"), faults(opened).len()), (Some("/a"), 0));

    // Closed again: its deliveries are made, refused at connect and retried, rather than never made. So after a restart.
    let closed = bench.write("config/server.json", "{}");
    assert_eq!((url(closed, "a"), url(closed, "b")), (Some("/a"), Some("/b")));
    insta::assert_snapshot!(said(closed), @r#"
    config/webhooks/a.json /url: 10.20.0.5 is refused: private (10.0.0.0/8); "10.20.0.5/32" under egress.allow in config/server.json opens it; written: "http://10.20.0.5/a" (its last good version stays in force)
    config/webhooks/a.json /url: what stays in force goes to 10.20.0.5: every attempt is refused and retried until the address is opened or the file is mended
    "#);
    let told = said(closed);
    let mut bench = bench.restart();
    assert_eq!((url(bench.revision(), "a"), said(bench.revision())), (Some("/a"), told));

    let moved = bench.write("config/webhooks/a.json", webhook("moved"));
    assert_eq!((url(moved, "a"), faults(moved).len()), (Some("/moved"), 0));
    let refused = bench.write("config/webhooks/a.json", to("http://10.20.0.5/again"));
    assert_eq!((url(refused, "a"), faults(refused)), (Some("/moved"), vec!["config/webhooks/a.json/url!".into()]));
}

#[test]
fn a_webhook_and_the_range_that_opens_it_may_come_together() {
    let mut bench = Bench::start(TestHome::filled());
    bench.home.write("config/webhooks/a.json", to("http://10.20.0.5/together"));
    let revision = bench.write("config/server.json", allowing("10.20.0.5/32"));
    assert_eq!((url(revision, "a"), faults(revision).len()), (Some("/together"), 0));
}

#[test]
fn one_that_is_switched_off_need_not_be_reachable() {
    let home = TestHome::filled();
    home.write("config/webhooks/a.json", to("http://10.20.0.5/off"));
    home.write("config/environments/development/webhooks/a.json", r#"{"enabled": false}"#);
    let bench = Bench::start(home);
    assert_eq!((url(bench.revision(), "a"), faults(bench.revision()).len()), (Some("/off"), 0));
}

/// Arrays are replaced by an overlay, so what is written below it would open nothing.
#[test]
fn the_file_that_has_the_last_word_is_named() {
    let home = TestHome::filled();
    home.write("config/server.json", allowing("10.20.0.5/32"));
    home.write("config/webhooks/a.json", to("http://10.20.0.5/a"));
    let overlay = "config/environments/development/server.json";
    home.write(overlay, allowing("127.0.0.0/8"));
    let mut bench = Bench::start(home);
    assert!(said(bench.revision()).contains(&format!("under egress.allow in {overlay} opens it")));
    bench.home.remove(overlay);
    let opened = bench.settle();
    assert_eq!((url(opened, "a"), faults(opened).len()), (Some("/a"), 0));
}
