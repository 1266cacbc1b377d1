//go:build !linux

package connection

import (
	"errors"
	"syscall"
)

// pollEventsMax is how many sockets one wait tells of.
const pollEventsMax = 1

// poller is not there: every connection keeps its reader goroutine.
type poller struct{}

var errNoPoller = errors.New("sockets can be waited for together on Linux only")

func newPoller() (*poller, error)                     { return nil, errNoPoller }
func (p *poller) close()                              {}
func (p *poller) add(syscall.RawConn, uint64) error   { return errNoPoller }
func (p *poller) remove(syscall.RawConn)              {}
func (p *poller) wait(ids []uint64) ([]uint64, error) { return ids, errNoPoller }
