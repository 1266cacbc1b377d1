// Package conformance runs test suites that others wrote for Kafka against the real binary, and compares what each of their
// tests did with the lists in expected/. It is a module of its own so that the broker does not depend on the suites. Run it with
// `make conformance`; docs/testing.md tells what each suite covers and how the lists are kept.
package conformance
