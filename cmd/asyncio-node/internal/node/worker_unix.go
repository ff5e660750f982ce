//go:build unix

package node

import "github.com/asyncio-go/asyncio"

// workerOptions keeps ^C in a terminal from workers: the node tells them to leave.
func workerOptions() []asyncio.ProcessOption {
	return []asyncio.ProcessOption{asyncio.WithProcessGroup(0)}
}
