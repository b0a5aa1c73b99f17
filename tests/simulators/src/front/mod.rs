//! Simulators over real HTTP on a free loopback port.
