//! Lines over a store and a log that fail and crash at any point.
