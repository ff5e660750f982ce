package asyncio

import "net"

// Deal is for tests: on Linux nothing else uses it.
func Deal(ln net.Listener, n int) []net.Listener { return deal(ln, n) }
