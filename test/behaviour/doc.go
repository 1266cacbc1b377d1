// Package behaviour tries, with raw requests, the answers of Apache Kafka 4.3 that one would guess wrong: a client may have come to
// depend on each. The tests start the real binary once. With TROUPE_BEHAVIOUR_ADDR=HOST:PORT they ask a broker that runs
// already, so that what they expect can be checked against Apache Kafka itself (one node, auto.create.topics.enable=true). Where
// the two differ on purpose, docs/differences.md says why and a test says kafka.
package behaviour
