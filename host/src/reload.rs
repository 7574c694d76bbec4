//! Watches the folders, builds revisions, keeps last good versions.
