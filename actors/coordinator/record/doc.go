// Package record is the content of the `__consumer_offsets` topic in Apache Kafka's own formats (4.3): the keys and values
// of committed offsets, classic groups and KIP-848 consumer groups, and the v2 record batches that carry them. Tools that
// read Kafka's topic read ours.
//
// A record's key begins with a two-byte type; its value with a two-byte version. A record without a value is a tombstone: what
// its key names is gone. Everything here is a pure function of bytes; a malformed input gives an error, never a panic
// and never an allocation larger than a small multiple of the input.
package record
