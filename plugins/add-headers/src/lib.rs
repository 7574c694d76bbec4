//! Headers made from values of the payload.
