//! The schemas of the events that Strapi documents, v3 to v5, as the repository's `schemas/` has them. Each
//! stands for itself: a file of the user that overrides one changes no other.

macro_rules! built_in {
    ($($event:literal),+ $(,)?) => {
        /// File name and text.
        pub(super) const BUILT_IN: &[(&str, &str)] =
            &[$((concat!($event, ".json"), include_str!(concat!("../../../schemas/", $event, ".json")))),+];
    };
}

built_in![
    "entry.create",
    "entry.update",
    "entry.delete",
    "entry.publish",
    "entry.unpublish",
    "entry.draft-discard",
    "media.create",
    "media.update",
    "media.delete",
    "review-workflows.updateEntryStage",
    "releases.publish",
    "trigger-test",
];
