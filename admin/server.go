package admin

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Server is the shell around the handlers: a listener with limits.
type Server struct {
	listener net.Listener
	http     *http.Server
}

// Listen binds addr (HOST:PORT, port 0 for any) and serves h until Close.
func Listen(addr string, h http.Handler) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on admin-addr %s: %w; is another broker running? Choose another --admin-addr, or off", addr, err)
	}
	s := &Server{l, &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10}}
	go func() { _ = s.http.Serve(l) }()
	return s, nil
}

// Addr is the address listened on, with the real port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close lets answers under way finish for at most a second.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
}
