// Command asyncio-node is a member of a cluster of package cluster: it runs a NATS
// server, or joins one, and keeps workers running.
package main

import (
	"os"

	"github.com/asyncio-go/asyncio/cmd/asyncio-node/internal/node"
)

func main() { os.Exit(node.Main(os.Args[1:], os.Stdout, os.Stderr)) }
