package protocol

// This file owns the guard in front of kmsg's decoders. kmsg allows an array as many elements as the body has bytes left,
// each of which may take 200 bytes of memory, and believes any number of tagged fields: a body of 20 bytes can keep it
// looping for minutes. So bound walks the body first, along the layout of the request. Invariants: it takes time linear
// in the body, allocates nothing, and what it accepts takes kmsg no more than boundMemory(len(body)) bytes.
//
// layouts.go is generated from kmsg's own decoders, so the two cannot disagree about a version.

import (
	"errors"
	"fmt"
)

//go:generate go run ./internal/boundgen

type layoutKind uint8

const (
	fixed          layoutKind = iota // a field of bytes bytes
	text                             // a string, nullable or not
	blob                             // a byte field, nullable or not
	array                            // an array of sub
	nullableArray                    // an array of sub that may be null from version since on
	nullableStruct                   // a byte, then sub unless it is -1
	tags                             // a tagged field section; sub is the known ones
	tagged                           // a known tagged field: sub
)

const anyVersion = 1<<15 - 1

// layoutField is one field of a request, there in versions from to to.
type layoutField struct {
	from, to int16
	kind     layoutKind
	bytes    int16
	since    int16
	tag      uint32
	memory   int32 // bytes of one element (array) or of the struct
	sub      []layoutField
}

// unknownTagMemory is what kmsg spends on a section with unknown tagged fields, and again for each of them, at most, bytes.
const unknownTagMemory = 512

var (
	errBodyTruncated = errors.New("a field does not fit the body")
	errBodyTooRich   = errors.New("the fields would take far more memory than the body")
)

// boundMemory is what decoding a body of n bytes may take, bytes. The greediest honest requests stay below 20 for one.
func boundMemory(n int) int64 { return 1<<20 + 32*int64(n) }

type boundWalk struct {
	reader
	version int16
	compact bool
	aliased bool // kmsg's request will hold slices of the body
	memory  int64
}

// bound checks that a request's body is whole and that decoding it takes memory in proportion to it. aliased says that what kmsg
// decodes holds slices of the body: byte fields, and tagged fields that it does not know (strings are copies).
func bound(key, version int16, body []byte) (aliased bool, err error) {
	w := boundWalk{reader: reader{b: body}, version: version, compact: flexible(key, version), memory: boundMemory(len(body))}
	w.fields(requestLayouts[key])
	switch {
	case w.memory < 0:
		return false, fmt.Errorf("at byte %d: %w", w.at, errBodyTooRich)
	case w.bad:
		return false, fmt.Errorf("at byte %d: %w", w.at, errBodyTruncated)
	}
	return w.aliased, nil
}

func (w *boundWalk) spend(n int64) {
	if w.memory -= n; w.memory < 0 {
		w.bad = true
	}
}

func (w *boundWalk) fields(list []layoutField) {
	for i := range list {
		if f := &list[i]; w.version >= f.from && w.version <= f.to && !w.bad {
			w.field(f)
		}
	}
}

func (w *boundWalk) field(f *layoutField) {
	switch f.kind {
	case fixed:
		w.span(int(f.bytes))
	case text:
		w.spend(int64(len(w.bytes(w.compact, 2))) + 16)
	case blob:
		n := len(w.bytes(w.compact, 4))
		w.spend(int64(n))
		w.aliased = w.aliased || n > 0
	case array, nullableArray:
		n := w.length(w.compact, 4)
		if n > w.left() || n < 0 && (f.kind == array || w.version < f.since) {
			w.bad = true // Kafka refuses a null that may not be as it refuses a body cut short
		}
		if n > 0 {
			w.spend(int64(n) * int64(f.memory))
		}
		for ; n > 0 && !w.bad; n-- {
			w.fields(f.sub)
		}
	case nullableStruct:
		if present := w.span(1); present != nil && int8(present[0]) != -1 {
			w.spend(int64(f.memory))
			w.fields(f.sub)
		}
	case tags:
		if w.compact {
			w.tags(f.sub)
		}
	}
}

func (w *boundWalk) tags(known []layoutField) {
	first := true
	for n := w.uvarint(); n > 0 && !w.bad; n-- {
		tag := w.uvarint()
		value := w.span(int(w.uvarint()))
		if w.bad {
			return
		}
		if f := findTag(known, tag); f != nil {
			in := *w
			in.reader = reader{b: value}
			in.fields(f.sub)
			w.memory, w.bad, w.aliased = in.memory, in.bad, in.aliased
			continue
		}
		w.aliased = true
		if first {
			first = false
			w.spend(unknownTagMemory)
		}
		w.spend(unknownTagMemory / 4)
	}
}

func findTag(known []layoutField, tag uint32) *layoutField {
	for i := range known {
		if known[i].tag == tag {
			return &known[i]
		}
	}
	return nil
}
