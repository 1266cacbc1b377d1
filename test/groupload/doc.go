// Package groupload measures consumer groups from outside, against the real binary: what a thousand groups that do nothing but
// heartbeat cost, how long commits take at a fixed rate, and how soon the others consume what a killed member consumed.
//
// `make bench-groups` runs it at full size and checks the limits; `go test` alone runs each measure small, to keep it working.
package groupload
