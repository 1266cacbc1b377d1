package api

// ApiVersions (key 18), versions 0 to 4: v1 throttle time, v3 flexible, client software name and version (KIP-511) and features
// (KIP-584), v4 features whose lowest version is 0 (KIP-1022).
//
// A version that is not served is answered, not refused: with UNSUPPORTED_VERSION in a v0 body that lists only this key, so that
// the client can ask again. What is listed comes from the routes alone: an API that is not served is not advertised.

import (
	"regexp"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/protocol"
)

func init() { register(18, 0, 4, apiVersions) }

// feature is a cluster feature as a Kafka 4 broker shows it.
type feature struct {
	name                    string
	min, max, finalizedUpTo int16 // finalizedUpTo 0: not in force
}

// features are what clients look at: metadata.version as of Kafka 4.0 tells admin clients that they speak to a KRaft cluster,
// group.version 1 that KIP-848 groups are served. Transactions and share groups show themselves when their APIs are served.
var features = []feature{
	{"group.version", 0, 1, 1},
	{"metadata.version", 7, 25, 25},
	{"kraft.version", 0, 1, 0},
}

// featuresEpoch is the epoch of the finalized features, which never change.
const featuresEpoch = 1

// softwareName is what KIP-511 allows for name and version.
var softwareName = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$`)

func apiVersions(c *Call) {
	resp := kmsg.NewPtrApiVersionsResponse()
	req, _ := c.Request.(*kmsg.ApiVersionsRequest)
	if req == nil {
		self := routes[c.Key]
		resp.ErrorCode = int16(protocol.ErrUnsupportedVersion)
		resp.ApiKeys = []kmsg.ApiVersionsResponseApiKey{{ApiKey: self.Key, MinVersion: self.Min, MaxVersion: self.Max}}
		c.Version = 0
		c.Reply(resp)
		return
	}
	if c.Version >= 3 {
		if !softwareName.MatchString(req.ClientSoftwareName) || !softwareName.MatchString(req.ClientSoftwareVersion) {
			resp.ErrorCode = int16(protocol.ErrInvalidRequest)
			c.Reply(resp)
			return
		}
		c.Identify(req.ClientSoftwareName, req.ClientSoftwareVersion)
	}
	for _, r := range Routes() {
		resp.ApiKeys = append(resp.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: r.Key, MinVersion: r.Min, MaxVersion: r.Max})
	}
	for _, f := range features {
		if f.min > 0 || c.Version >= 4 {
			resp.SupportedFeatures = append(resp.SupportedFeatures, kmsg.ApiVersionsResponseSupportedFeature{Name: f.name, MinVersion: f.min, MaxVersion: f.max})
		}
		if f.finalizedUpTo > 0 {
			resp.FinalizedFeatures = append(resp.FinalizedFeatures, kmsg.ApiVersionsResponseFinalizedFeature{Name: f.name, MinVersionLevel: f.finalizedUpTo, MaxVersionLevel: f.finalizedUpTo})
		}
	}
	resp.FinalizedFeaturesEpoch = featuresEpoch
	c.Reply(resp)
}
