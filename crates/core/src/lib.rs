//! The end-to-end part of a call: MLS, SFrame and the call state machine, without input or output.
