// Command linked says hello, and has what a loop imports of Go's library, without using
// it. See bench/hello.
package main

import (
	_ "crypto/tls"
	_ "encoding/gob"
	"fmt"
	_ "log/slog"
	_ "net"
	_ "os/exec"
	_ "os/signal"
	_ "runtime/metrics"
	_ "runtime/pprof"
)

func main() { fmt.Println("hello") }
