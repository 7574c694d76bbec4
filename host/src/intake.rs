//! The public listener: who may post, what is accepted, what is refused and how that is said.
