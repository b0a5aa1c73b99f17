//! The connectors over real HTTP: the one stack against servers that misbehave on the wire, and each service's adapter
//! against its simulator.

mod http;
mod stack;
