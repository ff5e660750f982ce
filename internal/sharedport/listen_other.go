//go:build !linux

package sharedport

import "net"

// listen listens once, and deals the connections out.
func listen(network, address string, n int) ([]net.Listener, error) {
	ln, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return deal(ln, n), nil
}
