package protocol

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// fill gives v random content.
func fill(rnd *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if rnd.IntN(2) == 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(rnd, v.Elem())
		} else {
			v.SetZero()
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[kmsg.Tags]() {
			return
		}
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "Version" {
				fill(rnd, v.Field(i))
			}
		}
	case reflect.Slice:
		s := reflect.MakeSlice(v.Type(), rnd.IntN(4), 4)
		for i := range s.Len() {
			fill(rnd, s.Index(i))
		}
		v.Set(s)
	case reflect.Array:
		for i := range v.Len() {
			fill(rnd, v.Index(i))
		}
	case reflect.String:
		v.SetString(strings.Repeat("é", rnd.IntN(10)))
	case reflect.Bool:
		v.SetBool(rnd.IntN(2) == 0)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(rnd.Uint64()) >> (64 - v.Type().Bits()))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(rnd.Uint64() >> (64 - v.Type().Bits()))
	case reflect.Float64:
		v.SetFloat(rnd.Float64())
	}
}

// testRand is a random source whose seed is in the test's log.
func testRand(t testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// eachRequest calls f with random requests of every key and version.
func eachRequest(rnd *rand.Rand, rounds int, f func(req kmsg.Request)) {
	for key := range int16(kmsg.MaxKey + 1) {
		req := kmsg.RequestForKey(key)
		if req == nil {
			continue
		}
		for version := range req.MaxVersion() + 1 {
			for range rounds {
				req := kmsg.RequestForKey(key)
				fill(rnd, reflect.ValueOf(req).Elem())
				req.SetVersion(version)
				f(req)
			}
		}
	}
}

func TestDecodeRequestReadsEveryRequestInEveryVersion(t *testing.T) {
	eachRequest(testRand(t), 5, func(req kmsg.Request) {
		body := req.AppendTo(nil)
		got, err := DecodeRequest(req.Key(), req.GetVersion(), append(bytes.Clone(body), "trailing"...))
		if err != nil {
			t.Fatal(err)
		}
		if again := got.AppendTo(nil); !bytes.Equal(again, body) {
			t.Fatalf("%s v%d\n was %x\n now %x", kmsg.NameForKey(req.Key()), req.GetVersion(), body, again)
		}
	})
}

// A connection reads its next request into the same memory.
func TestADecodedRequestSharesNoMemoryWithItsBody(t *testing.T) {
	eachRequest(testRand(t), 20, func(req kmsg.Request) {
		body := req.AppendTo(nil)
		read := bytes.Clone(body)
		got, err := DecodeRequest(req.Key(), req.GetVersion(), read)
		if err != nil {
			t.Fatal(err)
		}
		for i := range read {
			read[i] = 0xaa
		}
		if again := got.AppendTo(nil); !bytes.Equal(again, body) {
			t.Fatalf("%s v%d changed with the memory it was read from\n was %x\n now %x", kmsg.NameForKey(req.Key()), req.GetVersion(), body, again)
		}
	})
}

func TestBoundEndsExactlyWhereTheBodyDoes(t *testing.T) {
	eachRequest(testRand(t), 5, func(req kmsg.Request) {
		key, version, body := req.Key(), req.GetVersion(), req.AppendTo(nil)
		if _, err := bound(key, version, body); err != nil {
			t.Fatalf("%s v%d: %v", kmsg.NameForKey(key), version, err)
		}
		if len(body) == 0 {
			return
		}
		if _, err := bound(key, version, body[:len(body)-1]); !errors.Is(err, errBodyTruncated) {
			t.Fatalf("%s v%d without its last byte: %v", kmsg.NameForKey(key), version, err)
		}
	})
}

func TestDecodeRequestRefusesCountsThatTheBodyCannotHold(t *testing.T) {
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0x0f}
	for name, body := range map[string][]byte{
		"tagged fields": append([]byte{0x01, 0x01}, huge...),       // ApiVersions v3: two empty names, then the section
		"a string":      append([]byte{}, huge...),                 //
		"a tagged size": append([]byte{1, 1, 1, 0}, huge...),       //
		"nothing":       {},                                        //
		"many of them":  append([]byte{1, 1, 0xff, 0xff, 0x7f}, 0), //
	} {
		start := time.Now()
		if _, err := DecodeRequest(18, 3, body); err == nil {
			t.Errorf("%s: no error", name)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func TestDecodeRequestRefusesArraysThatWouldTakeFarMoreMemoryThanTheBody(t *testing.T) {
	const n = 4 << 20 // Metadata v12 topics of 24 bytes or more each, of which not one fits
	body := append(appendUvarint(nil, n+1), make([]byte, n)...)
	if _, err := DecodeRequest(1, 12, append(make([]byte, 21), body...)); err == nil {
		t.Fatal("no error")
	}
	allocated := testing.AllocsPerRun(1, func() { _, _ = DecodeRequest(3, 12, body) })
	if allocated > 100 {
		t.Fatalf("%v allocations", allocated)
	}
}

func TestRequestHeaderReadsWhatKmsgWrites(t *testing.T) {
	formatter := kmsg.NewRequestFormatter(kmsg.FormatterClientID("me"))
	eachRequest(testRand(t), 1, func(req kmsg.Request) {
		if req.Key() == 7 && req.GetVersion() == 0 {
			return // ControlledShutdown v0 has no client id; no broker of this century sends it
		}
		frame := formatter.AppendRequest(nil, req, 77)[4:]
		h, body, err := ParseRequestHeader(frame)
		if err != nil {
			t.Fatal(err)
		}
		if h.Key != req.Key() || h.Version != req.GetVersion() || h.CorrelationID != 77 || string(h.ClientID) != "me" {
			t.Fatalf("%+v", h)
		}
		if !bytes.Equal(frame[body:], req.AppendTo(nil)) {
			t.Fatalf("%s v%d: body found at %d", kmsg.NameForKey(h.Key), h.Version, body)
		}
	})
}

func TestRequestHeaderTakesANegativeClientIDLengthAsNull(t *testing.T) {
	h, body, err := ParseRequestHeader([]byte{0, 3, 0, 1, 0, 0, 0, 9, 0xff, 0x00, 1, 2})
	if err != nil || h.ClientID != nil || body != 10 {
		t.Fatalf("%+v %d %v", h, body, err)
	}
}

func TestRequestHeaderOfAnUnknownKeyStillTellsWhatItIs(t *testing.T) {
	h, _, err := ParseRequestHeader([]byte{1, 0, 0, 1, 0, 0, 0, 9})
	if !errors.Is(err, ErrUnknownAPI) || h.Key != 256 || h.Version != 1 || h.CorrelationID != 9 {
		t.Fatalf("%+v %v", h, err)
	}
	if _, _, err := ParseRequestHeader([]byte{0, 3, 0}); err == nil || errors.Is(err, ErrUnknownAPI) {
		t.Fatal(err)
	}
}

func TestResponseHeaderOfApiVersionsHasNoTags(t *testing.T) {
	for _, c := range []struct {
		key, version int16
		length       int
	}{{18, 0, 4}, {18, 3, 4}, {18, 4, 4}, {3, 8, 4}, {3, 9, 5}, {0, 8, 4}, {0, 9, 5}, {1, 12, 5}} {
		if got := len(AppendResponseHeader(nil, c.key, c.version, 1)); got != c.length {
			t.Errorf("key %d v%d: %d bytes, want %d", c.key, c.version, got, c.length)
		}
	}
}

func TestAppendResponseMakesAFrame(t *testing.T) {
	resp := kmsg.NewPtrMetadataResponse()
	resp.Version = 12
	out, err := AppendResponse([]byte("before"), 5, resp)
	if err != nil {
		t.Fatal(err)
	}
	want := append([]byte{0, 0, 0, 0, 0, 0, 0, 5, 0}, resp.AppendTo(nil)...)
	want[3] = byte(len(want) - 4)
	if !bytes.Equal(out[6:], want) {
		t.Fatalf("%x, want %x", out[6:], want)
	}
}
