//! The attribute of `hookwright-sdk`.
