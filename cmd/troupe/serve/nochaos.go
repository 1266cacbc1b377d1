//go:build !chaos

package serve

import (
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/troupe-io/troupe/actorsystem"
)

// Without the chaos build tag there is no way to inject a fault.

func chaosFlags(*cobra.Command) {}

func chaosFault(*cobra.Command, zerolog.Logger) (actorsystem.FaultInjector, error) { return nil, nil }
