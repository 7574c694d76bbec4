//! Signatures of other forms beside the standard ones, for receivers that are being moved from another sender:
//! GitHub's `X-Hub-Signature-256: sha256=…`, Shopify's base64 of the same, Stripe's `t=…,v1=…`. All are HMAC-SHA256.

use std::fmt::Write as _;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderName;
use sha2::Sha256;

use crate::clock::Timestamp;

/// One more header with a signature.
#[derive(Clone)]
pub struct ExtraSignature {
    header: HeaderName,
    secret: Box<[u8]>,
    keyed: Hmac<Sha256>,
    signed: Signed,
    template: Template,
}

/// What the signature is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signed {
    #[default]
    Body,
    /// `timestamp.body`
    TimestampAndBody,
    /// `id.timestamp.body`
    IdTimestampAndBody,
}

/// How the header is written: text with `{hex}` or `{base64}` in it, and perhaps `{timestamp}` in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Hex,
    Base64,
    Timestamp,
}

/// Why a text is not a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected visible ASCII with {{hex}} or {{base64}} once, and perhaps {{timestamp}}: \"sha256={{hex}}\"")]
pub struct TemplateError;

const MAX_TEMPLATE_BYTES: usize = 200;

impl ExtraSignature {
    /// None for an empty secret. The receiver's own secret, as it is: nothing is decoded.
    pub fn new(header: HeaderName, secret: &str, signed: Signed, template: Template) -> Option<Self> {
        let keyed = Hmac::new_from_slice(secret.as_bytes()).ok().filter(|_| !secret.is_empty())?;
        Some(Self { header, secret: secret.as_bytes().into(), keyed, signed, template })
    }

    pub fn header(&self) -> &HeaderName {
        &self.header
    }

    /// The header's value.
    pub fn value(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let seconds = at.as_seconds();
        let mut mac = self.keyed.clone();
        match self.signed {
            Signed::Body => {}
            Signed::TimestampAndBody => mac.update(format!("{seconds}.").as_bytes()),
            Signed::IdTimestampAndBody => mac.update(format!("{id}.{seconds}.").as_bytes()),
        }
        mac.update(body);
        let signature = mac.finalize().into_bytes();
        let mut value = String::with_capacity(96);
        for piece in &self.template.0 {
            match piece {
                Piece::Text(text) => value.push_str(text),
                Piece::Hex => signature.iter().for_each(|byte| {
                    let _ = write!(value, "{byte:02x}");
                }),
                Piece::Base64 => STANDARD.encode_string(signature, &mut value),
                Piece::Timestamp => {
                    let _ = write!(value, "{seconds}");
                }
            }
        }
        value
    }
}

impl PartialEq for ExtraSignature {
    fn eq(&self, other: &Self) -> bool {
        let parts = |it: &Self| (it.header.clone(), it.secret.clone(), it.signed, it.template.clone());
        parts(self) == parts(other)
    }
}

impl std::fmt::Debug for ExtraSignature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ExtraSignature({}, …)", self.header)
    }
}

impl Default for Template {
    /// GitHub's.
    fn default() -> Self {
        Self(vec![Piece::Text("sha256=".to_owned()), Piece::Hex])
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        if text.len() > MAX_TEMPLATE_BYTES || !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(TemplateError);
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(TemplateError)?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(match name {
                "hex" => Piece::Hex,
                "base64" => Piece::Base64,
                "timestamp" => Piece::Timestamp,
                _ => return Err(TemplateError),
            });
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        let signatures = pieces.iter().filter(|piece| matches!(piece, Piece::Hex | Piece::Base64)).count();
        if signatures == 1 { Ok(Self(pieces)) } else { Err(TemplateError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_ms(1_492_774_577_000);

    fn value(secret: &str, signed: Signed, template: &str, body: &str) -> String {
        let template = template.parse().expect("a template");
        let extra = ExtraSignature::new(HeaderName::from_static("x"), secret, signed, template).expect("a secret");
        extra.value("evt_1", AT, body.as_bytes())
    }

    #[test]
    fn writes_what_others_write() {
        // From GitHub's documentation, "Validating webhook deliveries".
        assert_eq!(
            value("It's a Secret to Everybody", Signed::Body, "sha256={hex}", "Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
        assert_eq!(value("k", Signed::Body, "{base64}", "b").len(), 44);
        let stripe = value("k", Signed::TimestampAndBody, "t={timestamp},v1={hex}", "b");
        let by_hand = value("k", Signed::Body, "{hex}", "1492774577.b");
        assert_eq!(stripe, format!("t=1492774577,v1={by_hand}"));
        let all = value("k", Signed::IdTimestampAndBody, "{hex}", "b");
        assert_eq!(all, value("k", Signed::Body, "{hex}", "evt_1.1492774577.b"));
    }

    #[test]
    fn refuses_templates_without_exactly_one_signature() {
        for bad in
            ["", "sha256=", "{timestamp}", "{hex}{hex}", "{hex}{base64}", "{hex", "{sha}{hex}", "{hex}\n", "{hex}é"]
        {
            assert_eq!(bad.parse::<Template>(), Err(TemplateError), "{bad}");
        }
        assert_eq!("sha256={hex}".parse(), Ok(Template::default()));
        assert!(ExtraSignature::new(HeaderName::from_static("x"), "", Signed::Body, Template::default()).is_none());
    }
}
