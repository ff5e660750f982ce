// Package addresstest finds addresses for the servers of tests that cannot be told to
// choose a port, or that end and come again on the port that they had.
//
// The ports of 127.0.0.1 are everybody's, and tests of many packages run beside each
// other: one that is free now need not be a moment later. Where the loopback network is
// all this machine's, each process has an address of it for itself.
package addresstest

import (
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
)

// Host is an address of this process alone, or 127.0.0.1 where there is no other.
var Host = sync.OnceValue(func() string {
	id := os.Getpid()
	host := fmt.Sprintf("127.%d.%d.%d", 64+id>>16&63, id>>8&255, id&255)
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		return "127.0.0.1"
	}
	_ = l.Close()
	return host
})

// Free returns addresses of [Host], each with another port, at which nobody listens.
func Free(t testing.TB, n int) (all []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", net.JoinHostPort(Host(), "0"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		all = append(all, l.Addr().String())
	}
	return all
}
