package main

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Hostile frames: lengths, keys, versions and headers that cannot be, bodies that are cut or too long. Compared: an answer, silence, or
// a closed connection, and whether the connection serves on.
func init() {
	null := []byte{0xff, 0xff}
	for _, size := range []int32{-1, -1 << 31, 1<<31 - 1, 104857601, 0, 1, 3, 7} {
		add(fmt.Sprintf("length %d", size), func(c *C) {
			c.last++
			c.write(binary.BigEndian.AppendUint32(nil, uint32(size)))
			if size > 0 && size < 100 {
				c.write(make([]byte, size))
			}
			c.patience = silentFor
			c.outcome()
		})
	}
	for _, key := range []int16{-1, 4, 5, 6, 7, 62, 63, 93, 200, 9999, 32767, -32768} {
		add(fmt.Sprintf("key %d", key), func(c *C) {
			c.raw(key, 0, null, nil)
			c.patience = silentFor
			c.outcome()
		})
	}
	for _, w := range []struct{ key, version int16 }{
		{0, 14}, {0, -1}, {1, 3}, {1, 19}, {1, 0}, {2, 0}, {2, 12}, {3, 14}, {3, -1}, {8, 1}, {8, 11}, {9, 0}, {9, 11}, {10, 7}, {11, 10}, {12, 5}, {13, 6},
		{14, 6}, {15, 7}, {16, 6}, {19, 1}, {19, 8}, {20, 0}, {20, 7}, {21, 3}, {22, 7}, {23, 1}, {23, 5}, {32, 0}, {32, 5}, {33, 3}, {35, 0}, {35, 6},
		{37, 4}, {42, 4}, {44, 2}, {47, 1}, {60, 3}, {61, 1}, {75, 1},
	} {
		add(fmt.Sprintf("%s version %d", kmsg.NameForKey(w.key), w.version), func(c *C) {
			c.raw(w.key, w.version, append(null, 0), make([]byte, 8))
			c.patience = silentFor
			c.outcome()
		})
	}
	metadataV1 := func(c *C, clientID, body []byte) {
		c.raw(3, 1, clientID, body)
		req := kmsg.NewPtrMetadataRequest()
		req.SetVersion(1)
		c.patience = silentFor
		c.answer(req, c.own)
		c.alive()
	}
	for _, w := range []struct {
		name           string
		clientID, body []byte
	}{
		{"bytes after the body", null, []byte{0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef}},
		{"client id length -5", []byte{0xff, 0xfb}, []byte{0, 0, 0, 0}},
		{"client id longer than the frame", []byte{0x7f, 0xff, 'a'}, []byte{0, 0, 0, 0}},
		{"client id that is not UTF-8", []byte{0, 2, 0xff, 0xfe}, []byte{0, 0, 0, 0}},
		{"empty client id", []byte{0, 0}, []byte{0, 0, 0, 0}},
		{"array of -5", null, []byte{0xff, 0xff, 0xff, 0xfb}},
		{"array of 2^31-1", null, []byte{0x7f, 0xff, 0xff, 0xff}},
		{"array of 3, one there", null, []byte{0, 0, 0, 3, 0, 1, 'a'}},
		{"string of -1 where none may be null", null, []byte{0, 0, 0, 1, 0xff, 0xff}},
		{"string of -7", null, []byte{0, 0, 0, 1, 0xff, 0xf9}},
		{"string longer than the frame", null, []byte{0, 0, 0, 1, 0x7f, 0xff}},
		{"string that is not UTF-8", null, []byte{0, 0, 0, 1, 0, 2, 0xff, 0xfe}},
		{"no body", null, nil},
		{"half of an integer", null, []byte{0, 0}},
		{"header ends in the client id's length", []byte{0}, nil},
	} {
		add(w.name, func(c *C) { metadataV1(c, w.clientID, w.body) })
	}
	metadataV9 := func(c *C, headerTags, body []byte) {
		c.raw(3, 9, append(bytes.Clone(null), headerTags...), body)
		req := kmsg.NewPtrMetadataRequest()
		req.SetVersion(9)
		c.patience = silentFor
		c.answer(req, c.own)
		c.alive()
	}
	good := []byte{1, 0, 0, 0, 0} // no topics
	for _, w := range []struct {
		name       string
		tags, body []byte
	}{
		{"header tag that nobody knows", []byte{1, 9, 2, 'a', 'b'}, good},
		{"header tags out of order", []byte{2, 9, 1, 'a', 3, 1, 'b'}, good},
		{"header tag twice", []byte{2, 9, 1, 'a', 9, 1, 'b'}, good},
		{"header tag longer than the frame", []byte{1, 9, 0x7f, 'a'}, good},
		{"2^31-1 header tags", []byte{0xff, 0xff, 0xff, 0xff, 0x07}, good},
		{"negative count of header tags", []byte{0xff, 0xff, 0xff, 0xff, 0x0f}, good},
		{"varint of six bytes in the header", []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, good},
		{"body tag that nobody knows", []byte{0}, []byte{1, 0, 0, 0, 1, 77, 2, 'a', 'b'}},
		{"body tags out of order", []byte{0}, []byte{1, 0, 0, 0, 2, 77, 1, 'a', 3, 1, 'b'}},
		{"body tag longer than the frame", []byte{0}, []byte{1, 0, 0, 0, 1, 77, 99, 'a'}},
		{"body without its tags", []byte{0}, []byte{1, 0, 0, 0}},
		{"compact array of 2^31-1", []byte{0}, []byte{0xff, 0xff, 0xff, 0xff, 0x07, 0}},
		{"compact array of more than 2^31", []byte{0}, []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0}},
		{"null compact array", []byte{0}, []byte{0, 0, 0, 0, 0}},
		{"boolean of 2", []byte{0}, []byte{1, 2, 0, 0, 0}},
		{"compact string of 0 where none may be null", []byte{0}, []byte{2, 0, 0, 0, 0, 0, 0}},
	} {
		add(w.name, func(c *C) { metadataV9(c, w.tags, w.body) })
	}
	add("request before ApiVersions", func(c *C) { c.ask(9, metadata()) })
	add("no request at all, then one", func(c *C) {
		c.dial()
		c.ask(0, kmsg.NewPtrApiVersionsRequest(), func(r kmsg.Response) { r.(*kmsg.ApiVersionsResponse).ApiKeys = nil })
	})
	add("three requests at once", func(c *C) {
		var frames []byte
		first := c.last + 1
		for range 3 {
			c.last++
			req := metadata()
			req.SetVersion(9)
			frames = kmsg.NewRequestFormatter(kmsg.FormatterClientID("sem")).AppendRequest(frames, req, c.last)
		}
		c.write(frames)
		for c.last = first; c.last < first+3; c.last++ {
			req := metadata()
			req.SetVersion(9)
			c.answer(req)
		}
	})
	add("frame in two halves", func(c *C) {
		req := metadata()
		req.SetVersion(9)
		c.last++
		frame := kmsg.NewRequestFormatter().AppendRequest(nil, req, c.last)
		c.write(frame[:7])
		c.write(frame[7:])
		c.answer(req)
	})
	add("half of a frame, then the end", func(c *C) {
		req := metadata()
		c.last++
		c.write(kmsg.NewRequestFormatter().AppendRequest(nil, req, c.last)[:9])
		c.patience = silentFor
		c.outcome()
	})
	add("an HTTP request", func(c *C) {
		c.write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		c.patience = silentFor
		c.outcome()
	})
	add("a TLS hello", func(c *C) {
		c.write([]byte{0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0})
		c.patience = silentFor
		c.outcome()
	})
	for _, w := range []struct {
		name         string
		key, version int16
		body         []byte
	}{
		{"Fetch with a huge array", 1, 4, append(make([]byte, 21), 0x7f, 0xff, 0xff, 0xff)},
		{"JoinGroup cut short", 11, 0, []byte{0, 1, 'g', 0, 0}},
		{"CreateTopics with a huge array", 19, 4, []byte{0x7f, 0xff, 0xff, 0xff}},
		{"OffsetCommit with a null group", 8, 2, []byte{0xff, 0xff, 0, 0, 0, 0, 0, 0}},
		{"ListOffsets with a null array", 2, 1, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
		{"Produce cut short", 0, 3, []byte{0xff, 0xff, 0, 1, 0, 0}},
		{"Produce with a null array", 0, 3, []byte{0xff, 0xff, 0, 1, 0, 0, 3, 0xe8, 0xff, 0xff, 0xff, 0xff}},
		{"Produce with records longer than the frame", 0, 3, []byte{0xff, 0xff, 0, 1, 0, 0, 3, 0xe8, 0, 0, 0, 1, 0, 1, 'x', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x10, 0}},
		{"Produce with records of -5", 0, 3, []byte{0xff, 0xff, 0, 1, 0, 0, 3, 0xe8, 0, 0, 0, 1, 0, 1, 'x', 0, 0, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xfb}},
	} {
		add(w.name, func(c *C) {
			c.raw(w.key, w.version, null, w.body)
			c.patience = silentFor
			c.outcome()
		})
	}
}
