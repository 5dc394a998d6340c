//! Tests with a screen that keeps what it is shown.
