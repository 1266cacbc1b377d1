package config

import (
	"fmt"
	"net"
)

// This file owns what clients are told to connect to. Invariant: never an address that means "all of mine" (0.0.0.0, ::).

// Machine is what is asked of the machine to find an address for it.
type Machine struct {
	Addrs    func() ([]net.Addr, error)
	Hostname func() (string, error)
	Lookup   func(host string) ([]string, error)
}

// Advertised is the HOST:PORT that clients are told. Its port is 0 if the port in use is meant.
func (s *Settings) Advertised(m Machine) (string, error) {
	if s.AdvertisedAddr != "" {
		host, _, err := net.SplitHostPort(s.AdvertisedAddr)
		if err != nil {
			return "", fmt.Errorf("advertised-addr: %w", err)
		}
		if unspecified(host) {
			return "", fmt.Errorf("advertised-addr: %q is not allowed: clients cannot connect to it; allowed: a HOST:PORT that they can reach", s.AdvertisedAddr)
		}
		return s.AdvertisedAddr, nil
	}
	host, port, err := net.SplitHostPort(s.KafkaAddr)
	if err != nil {
		return "", fmt.Errorf("kafka-addr: %w", err)
	}
	if !unspecified(host) {
		return s.KafkaAddr, nil
	}
	if addrs, err := m.Addrs(); err == nil {
		var v6 string
		for _, a := range addrs {
			ipnet, ok := a.(*net.IPNet)
			if !ok || !ipnet.IP.IsGlobalUnicast() {
				continue
			}
			if ipnet.IP.To4() != nil {
				return net.JoinHostPort(ipnet.IP.String(), port), nil
			}
			if v6 == "" {
				v6 = ipnet.IP.String()
			}
		}
		if v6 != "" {
			return net.JoinHostPort(v6, port), nil
		}
	}
	if name, err := m.Hostname(); err == nil && name != "" {
		if ips, err := m.Lookup(name); err == nil && len(ips) > 0 {
			return net.JoinHostPort(name, port), nil
		}
	}
	return "", fmt.Errorf("kafka-addr %s listens on all addresses, but this machine has none that could be told to clients: set --advertised-addr HOST:PORT", s.KafkaAddr)
}

func unspecified(host string) bool {
	if host == "" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsUnspecified()
}
