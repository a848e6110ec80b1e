//! The wasmi engine for enginebay.
