package protocol

// This file owns request and response headers and the decoding of every request body but Produce's (Kafka protocol guide,
// "Headers"). Invariant: a body is walked by bound before kmsg sees it, so no field in it can make kmsg allocate or loop
// beyond what the body's own bytes can justify.

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const apiVersionsKey = 18

// ErrUnknownAPI says that a request's key is none that Kafka knows.
var ErrUnknownAPI = errors.New("unknown API key")

// RequestHeader is a decoded request header.
type RequestHeader struct {
	Key, Version  int16
	CorrelationID int32
	ClientID      []byte // aliases the frame; nil if null
}

// neverFlexible is a version that no request reaches.
const neverFlexible = 1 << 14

// flexibleSince holds, for each API key, its first flexible version; -1 for keys that do not exist.
var flexibleSince = func() (since [kmsg.MaxKey + 1]int16) {
	for key := range since {
		since[key] = -1
		req := kmsg.RequestForKey(int16(key))
		if req == nil {
			continue
		}
		since[key] = neverFlexible
		for v := int16(0); v <= req.MaxVersion(); v++ {
			req.SetVersion(v)
			if req.IsFlexible() {
				since[key] = v
				break
			}
		}
	}
	return since
}()

func flexible(key, version int16) bool {
	return key >= 0 && int(key) < len(flexibleSince) && flexibleSince[key] >= 0 && version >= flexibleSince[key]
}

// ParseRequestHeader decodes the header at the start of a frame (without its length field) and says where the body
// starts. A negative client id length is null, tagged fields are skipped. With ErrUnknownAPI key, version and
// correlation id are set all the same.
func ParseRequestHeader(frame []byte) (h RequestHeader, body int, err error) {
	r := reader{b: frame}
	h = RequestHeader{Key: r.int16(), Version: r.int16(), CorrelationID: r.int32()}
	if r.bad {
		return h, 0, fmt.Errorf("request header: 8 bytes needed, %d found", len(frame))
	}
	if h.Key < 0 || int(h.Key) >= len(flexibleSince) || flexibleSince[h.Key] < 0 {
		return h, 0, fmt.Errorf("request header: key %d version %d: %w", h.Key, h.Version, ErrUnknownAPI)
	}
	h.ClientID = r.bytes(false, 2)
	if flexible(h.Key, h.Version) {
		r.skipTags()
	}
	if r.bad {
		return h, 0, fmt.Errorf("request header of key %d version %d: a field does not fit the frame of %d bytes", h.Key, h.Version, len(frame))
	}
	return h, r.at, nil
}

// AppendResponseHeader appends the response header that fits the request's key and version: v1 (with a tagged field
// section) for flexible versions, save ApiVersions, whose answer must be readable to clients that know no version yet.
func AppendResponseHeader(dst []byte, key, version int16, correlationID int32) []byte {
	dst = appendInt32(dst, correlationID)
	if key != apiVersionsKey && flexible(key, version) {
		dst = append(dst, 0)
	}
	return dst
}

// AppendResponse appends a whole response frame: length, header and resp (its version set). A frame of 2 GiB or more is an error.
func AppendResponse(dst []byte, correlationID int32, resp kmsg.Response) ([]byte, error) {
	at := len(dst)
	dst = AppendResponseHeader(append(dst, 0, 0, 0, 0), resp.Key(), resp.GetVersion(), correlationID)
	dst = resp.AppendTo(dst)
	return FinishFrame(dst, at)
}

// FinishFrame writes the length into the 4 bytes at dst[at:], of a frame that goes to the end of dst.
func FinishFrame(dst []byte, at int) ([]byte, error) {
	n := len(dst) - at - 4
	if n > 1<<31-1 {
		return dst[:at], fmt.Errorf("response frame of %d bytes, at most 2 GiB can be sent", n)
	}
	appendInt32(dst[:at], int32(n))
	return dst, nil
}

// DecodeRequest decodes a request's body. The request owns its memory: body may be used again. Bytes after the body are ignored.
func DecodeRequest(key, version int16, body []byte) (req kmsg.Request, err error) {
	if req = kmsg.RequestForKey(key); req == nil {
		return nil, fmt.Errorf("request key %d: %w", key, ErrUnknownAPI)
	}
	if version < 0 || version > req.MaxVersion() {
		return nil, fmt.Errorf("%s request: version %d, 0 to %d are known", kmsg.NameForKey(key), version, req.MaxVersion())
	}
	defer func() {
		if r := recover(); r != nil {
			req, err = nil, fmt.Errorf("%s v%d request of %d bytes: %v", kmsg.NameForKey(key), version, len(body), r)
		}
	}()
	aliased, err := bound(key, version, body)
	if err != nil {
		return nil, fmt.Errorf("%s v%d request of %d bytes: %w", kmsg.NameForKey(key), version, len(body), err)
	}
	if aliased {
		body = bytes.Clone(body)
	}
	req.SetVersion(version)
	if err := req.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("%s v%d request of %d bytes: %w", kmsg.NameForKey(key), version, len(body), err)
	}
	return req, nil
}
