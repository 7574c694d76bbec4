//! Asking before something that cannot be taken back.

use std::io::{IsTerminal as _, Write as _};

use crate::tasks;

/// Whether the person at the terminal says yes; `yes`: said beforehand.
///
/// # Errors
/// When there is nobody to ask.
pub(super) async fn confirmed(question: String, yes: bool) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        anyhow::bail!("{question} There is no terminal to ask on: say --yes if so");
    }
    let answer = tasks::blocking(move || {
        let _ = write!(anstream::stderr(), "{} [y/N] ", super::screen::inert(&question));
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|_| answer)
    })
    .await?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
