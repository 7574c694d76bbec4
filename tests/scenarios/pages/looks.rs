//! How every page looks: at a desk and on a phone, light and dark, to axe-core and in its console.

use hookwright_tests::{Hookwright, browser::Browser};

#[tokio::test]
async fn every_page_fits_and_is_fit_for_everybody() {
    let host = Hookwright::builder().start().await;
    let Some(browser) = Browser::sign_in(&host).await else { return };
    for (path, name) in [
        ("/start", "start"),
        ("/settings", "settings"),
        ("/settings/sources", "sources"),
        ("/settings/tokens", "tokens"),
        ("/settings/audit", "audit"),
    ] {
        browser.check(path, name).await;
    }
    browser.close().await;
}
