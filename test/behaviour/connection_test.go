package behaviour

import (
	"encoding/binary"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func testFrames(t *testing.T, b *broker) {
	null := []byte{0xff, 0xff}
	t.Run("an unknown key closes the connection", func(t *testing.T) {
		c := b.dial(t)
		c.sendRaw(9999, 0, null, nil)
		c.closed()
	})
	t.Run("an unknown version closes the connection", func(t *testing.T) {
		c := b.dial(t)
		c.sendRaw(3, 99, null, []byte{0, 0, 0, 0, 0, 0})
		c.closed()
	})
	t.Run("bytes after the body are ignored", func(t *testing.T) {
		c := b.dial(t)
		c.sendRaw(3, 1, null, []byte{0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef})
		resp := kmsg.NewPtrMetadataResponse()
		resp.SetVersion(1)
		c.receive(resp)
		if len(resp.Brokers) != 1 {
			t.Errorf("%d brokers", len(resp.Brokers))
		}
		c.alive()
	})
	t.Run("a negative client id length is null", func(t *testing.T) {
		c := b.dial(t)
		c.sendRaw(3, 1, []byte{0xff, 0xfb}, []byte{0, 0, 0, 0})
		resp := kmsg.NewPtrMetadataResponse()
		resp.SetVersion(1)
		c.receive(resp)
		c.alive()
	})
	t.Run("a Metadata array of -5 topics is null", func(t *testing.T) {
		topic, _ := b.topic(t)
		c := b.dial(t)
		c.sendRaw(3, 1, null, binary.BigEndian.AppendUint32(nil, 0xfffffffb))
		resp := kmsg.NewPtrMetadataResponse()
		resp.SetVersion(1)
		c.receive(resp)
		for i := range resp.Topics {
			if *resp.Topics[i].Topic == topic {
				return
			}
		}
		t.Errorf("%d topics came, not all", len(resp.Topics))
	})
}

func testAPIVersions(t *testing.T, b *broker) {
	t.Run("a version that is too new is answered in version 0 with this key alone", func(t *testing.T) {
		c := b.dial(t)
		c.sendRaw(18, 100, []byte{0xff, 0xff, 0}, []byte{2, 'x', 2, 'y', 0})
		resp := kmsg.NewPtrApiVersionsResponse()
		c.receive(resp)
		wantCode(t, "ApiVersions v100", resp.ErrorCode, kerr.UnsupportedVersion.Code)
		if len(resp.ApiKeys) != 1 || resp.ApiKeys[0].ApiKey != 18 {
			t.Errorf("keys %+v", resp.ApiKeys)
		}
		c.alive()
	})
	features := func(version int16) (zero, named int) {
		req := kmsg.NewPtrApiVersionsRequest()
		req.ClientSoftwareName, req.ClientSoftwareVersion = "behaviour", "1"
		for _, f := range ask(t, b, req, version, kmsg.NewPtrApiVersionsResponse()).SupportedFeatures {
			if f.MinVersion == 0 {
				zero++
			}
			if f.Name == "metadata.version" {
				named++
			}
		}
		return zero, named
	}
	t.Run("features whose lowest version is 0 are shown from version 4 on", func(t *testing.T) {
		if zero, named := features(3); zero != 0 || named != 1 {
			t.Errorf("v3: %d with minimum 0, %d metadata.version", zero, named)
		}
		if zero, named := features(4); zero == 0 || named != 1 {
			t.Errorf("v4: %d with minimum 0, %d metadata.version", zero, named)
		}
	})
	t.Run("a software name that KIP-511 does not allow is an invalid request", func(t *testing.T) {
		req := kmsg.NewPtrApiVersionsRequest()
		req.ClientSoftwareName, req.ClientSoftwareVersion = "-", "1"
		c := b.dial(t)
		c.send(req, 3)
		resp := kmsg.NewPtrApiVersionsResponse()
		resp.SetVersion(3)
		c.receive(resp)
		wantCode(t, "ApiVersions", resp.ErrorCode, kerr.InvalidRequest.Code)
		c.alive()
	})
}
