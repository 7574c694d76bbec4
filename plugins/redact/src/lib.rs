//! Remove or mask values of the payload.
