//! The call engine for browsers: a thin shell without logic.
