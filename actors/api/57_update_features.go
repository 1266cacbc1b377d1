package api

// UpdateFeatures (key 57), versions 0 to 2: v1 the kind of change and a dry run (KIP-584), v2 one error instead of one for each feature.
//
// The features' levels are those of the binary and never change: asking for the level that is in force succeeds, anything else is
// refused, and then the whole request is.

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func init() { register(57, 0, 2, updateFeatures) }

func updateFeatures(c *Call) {
	req := c.Request.(*kmsg.UpdateFeaturesRequest)
	none := "NONE" // how Kafka words success
	resp := kmsg.NewPtrUpdateFeaturesResponse()
	for i := range req.FeatureUpdates {
		u := &req.FeatureUpdates[i]
		if why := refuseUpdate(c.Version, u); why != "" {
			message := fmt.Sprintf("nothing was changed: feature %q cannot be set to %d: %s", u.Feature, u.MaxVersionLevel, why)
			resp.ErrorCode, resp.ErrorMessage, resp.Results = kerr.InvalidUpdateVersion.Code, &message, nil
			break
		}
		if c.Version < 2 {
			resp.Results = append(resp.Results, kmsg.UpdateFeaturesResponseResult{Feature: u.Feature, ErrorMessage: &none})
		}
	}
	c.Reply(resp)
}

// refuseUpdate says why an update cannot be made; "" if it changes nothing.
func refuseUpdate(version int16, u *kmsg.UpdateFeaturesRequestFeatureUpdate) string {
	const upgrade, safeDowngrade, unsafeDowngrade = 1, 2, 3
	at := slices.IndexFunc(features, func(f feature) bool { return f.name == u.Feature })
	switch {
	case at < 0:
		return "there is no such feature"
	case version >= 1 && (u.UpgradeType < upgrade || u.UpgradeType > unsafeDowngrade):
		return fmt.Sprintf("there is no kind of change %d", u.UpgradeType)
	case u.MaxVersionLevel != features[at].finalizedUpTo:
		return fmt.Sprintf("it is %d in this version of Troupe, and changes with the binary only", features[at].finalizedUpTo)
	}
	return ""
}
