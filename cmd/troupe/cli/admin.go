package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

const defaultAdminAddr = "127.0.0.1:9644"

// adminAnswerMax bounds an answer of the admin address, bytes.
const adminAnswerMax = 1 << 30

// AdminAddr is the flag of every command that looks inside a broker.
type AdminAddr struct{ Addr string }

// Flags adds --admin-addr to cmd.
func (a *AdminAddr) Flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.Addr, "admin-addr", EnvOr("TROUPE_ADMIN_ADDR", defaultAdminAddr), "the broker's admin address, HOST:PORT (environment: TROUPE_ADMIN_ADDR)")
}

// Ask gets a JSON answer from the broker.
func (a *AdminAddr) Ask(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+a.Addr+path, nil)
	if err != nil || req.URL.Host != a.Addr || req.URL.Host == "" {
		return Usagef("admin-addr: %q is not allowed; allowed: HOST:PORT", a.Addr)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("no broker answers on the admin address %s (%v). Is it running? `troupe serve` starts one; --admin-addr HOST:PORT names another", a.Addr, reason(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("http://%s%s answered %s; is that a Troupe broker's admin address?", a.Addr, path, resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, adminAnswerMax)).Decode(into); err != nil {
		return fmt.Errorf("read the answer of http://%s%s: %w; is that a Troupe broker's admin address?", a.Addr, path, err)
	}
	return nil
}
