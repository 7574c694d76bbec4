//! What a hostile sender sends, and what it has to hear.

use hookwright_tests::host::TOKEN;

/// One connection of a sender.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) sends: Vec<u8>,
    /// The status of each answer, in order, and then the end of the connection.
    hears: &'static [u16],
    /// Stands in what it hears.
    word: &'static str,
    /// The bodies that its receiver has to get.
    pub(super) delivers: Vec<Vec<u8>>,
}

impl Case {
    pub(super) fn refused(
        name: &'static str,
        sends: impl Into<Vec<u8>>,
        status: &'static [u16],
        word: &'static str,
    ) -> Self {
        Self { name, sends: sends.into(), hears: status, word, delivers: Vec::new() }
    }

    pub(super) fn accepted(name: &'static str, sends: impl Into<Vec<u8>>, body: impl Into<Vec<u8>>) -> Self {
        Self { name, sends: sends.into(), hears: &[202], word: "evt_", delivers: vec![body.into()] }
    }

    /// Sent as it should be.
    pub(super) fn accepted_body(name: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self::accepted(name, post("", &body), body)
    }

    pub(super) fn refused_body(
        name: &'static str,
        body: impl AsRef<[u8]>,
        status: &'static [u16],
        word: &'static str,
    ) -> Self {
        Self::refused(name, post("", body), status, word)
    }

    /// Hears this instead.
    pub(super) fn hears(self, hears: &'static [u16]) -> Self {
        Self { hears, ..self }
    }

    pub(super) fn delivers_too(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.delivers.push(body.into());
        self
    }

    /// What is wrong with what it heard. None: it was not hung up on.
    pub(super) fn objection(&self, heard: Option<&str>) -> Option<String> {
        let Some(heard) = heard else { return Some(format!("{}: the connection stays open", self.name)) };
        let statuses: Vec<u16> = heard.split("HTTP/1.").skip(1).filter_map(status).collect();
        let fits = statuses == self.hears && heard.contains(self.word);
        (!fits).then(|| format!("{}: {statuses:?}: {}", self.name, shortened(heard)))
    }
}

/// Of an answer, from its minor version on.
fn status(answer: &str) -> Option<u16> {
    answer.split(' ').nth(1)?.parse().ok()
}

pub(super) fn shortened(text: &str) -> String {
    text.chars().take(600).collect()
}

/// The head of a request that is as it should be, but for `headers`: lines that each end with CR LF.
pub(super) fn head(line: &str, headers: &str) -> String {
    format!(
        "{line}\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\nconnection: close\r\n\
         {headers}\r\n"
    )
}

pub(super) const POST: &str = "POST /v1/events HTTP/1.1";

/// A post with these headers beside the usual ones.
pub(super) fn post(headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    request(POST, headers, body)
}

pub(super) fn request(line: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = head(line, &format!("{headers}content-length: {}\r\n", body.len()));
    [head.as_bytes(), body].concat()
}

/// An event with this in its entry.
pub(super) fn event(entry: &str) -> String {
    format!(
        r#"{{"event":"entry.create","createdAt":"2026-01-01T00:00:00.000Z","model":"article","entry":{{"id":1,{entry}}}}}"#
    )
}
