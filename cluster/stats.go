package cluster

import (
	"context"
	"fmt"
)

// Stats are counts of what a cluster holds, of all clients.
type Stats struct {
	Jobs        uint64 // that are not done, running or not
	Results     uint64 // of jobs with a key
	DeadLetters uint64 // 10,000 at most
}

// Stats returns what the cluster holds. It suspends the running task.
func (c *Client) Stats(ctx context.Context) (Stats, error) {
	return onThread(ctx, c, func(ctx context.Context) (all Stats, err error) {
		for _, count := range []struct {
			stream string
			n      *uint64
		}{{c.streams.jobs, &all.Jobs}, {c.streams.results, &all.Results}, {c.streams.dead, &all.DeadLetters}} {
			stream, err := c.streams.js.Stream(ctx, count.stream)
			if err != nil {
				return Stats{}, fmt.Errorf("cluster: look at stream %s: %w", count.stream, err)
			}
			*count.n = stream.CachedInfo().State.Msgs
		}
		return all, nil
	})
}
