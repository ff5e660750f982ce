//go:build !linux

package asyncio

import "net"

// listenForWorkers listens once, and deals the connections out.
func listenForWorkers(network, address string, n int) ([]net.Listener, error) {
	ln, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return deal(ln, n), nil
}
