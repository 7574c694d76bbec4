//! Why an event was, or was not, delivered: each gate in order.
