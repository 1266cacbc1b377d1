//go:build chaos

package serve

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

// This file exists only with the chaos build tag: it makes actors panic, to see that clients notice at most retriable
// errors and that nothing acknowledged is lost.

func chaosFlags(c *cobra.Command) {
	c.Flags().StringArray("chaos", nil, "KIND=N: an actor of that kind panics at its N-th message; KIND=every:N: at every N-th (repeatable)")
}

func chaosFault(c *cobra.Command, log zerolog.Logger) (actorsystem.FaultInjector, error) {
	specs, err := c.Flags().GetStringArray("chaos")
	if err != nil || len(specs) == 0 {
		return nil, err
	}
	rules, err := parseChaos(specs)
	if err != nil {
		return nil, err
	}
	log.Warn().Strs("rules", specs).Msg("chaos: actors will panic on purpose")
	return rules, nil
}

type chaosRule struct {
	n     uint64
	every bool
}

// chaos panics before chosen messages. Read only after parsing, so actors on any lane may ask it.
type chaos map[string]chaosRule // by kind

func parseChaos(specs []string) (chaos, error) {
	rules := chaos{}
	for _, spec := range specs {
		kind, when, ok := strings.Cut(spec, "=")
		count, every := strings.CutPrefix(when, "every:")
		n, err := strconv.ParseUint(count, 10, 64)
		if !ok || kind == "" || err != nil || n == 0 {
			return nil, cli.Usagef("chaos: %q is not allowed; allowed: KIND=N or KIND=every:N with N from 1", spec)
		}
		rules[kind] = chaosRule{n, every}
	}
	return rules, nil
}

// BeforeMessage panics if it is this message's turn. handled goes on counting over restarts, so that a KIND=N actor fails once.
func (c chaos) BeforeMessage(kind, name string, handled uint64, message any) {
	r, ok := c[kind]
	if !ok {
		return
	}
	if handled == r.n || r.every && handled%r.n == 0 {
		panic(fmt.Sprintf("chaos: message %d of %s %s (%T)", handled, kind, name, message))
	}
}
