package cluster_test

import (
	"context"
	"errors"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cluster"
)

func TestAJobsResultComesToTheLoop(t *testing.T) {
	s := startServer(t)
	serve(t, s.ClientURL())
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		if v, err := cluster.Call(ctx, c, square, 7); err != nil || v != 49 {
			t.Errorf("%d, %v", v, err)
		}
	})
}

func TestFuturesOfJobsAreFuturesOfTheLoop(t *testing.T) {
	s := startServer(t)
	serve(t, s.ClientURL())
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		var all []*asyncio.Future[int]
		for i := range 100 {
			f, err := cluster.Submit(ctx, c, square, i)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, f)
		}
		values, err := asyncio.Gather(ctx, all...)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			if v != i*i {
				t.Errorf("job %d gave %d", i, v)
			}
		}
		if n := c.Pending(); n != 0 {
			t.Errorf("%d jobs are under way", n)
		}
	})
}

func TestAFunctionsErrorComesBack(t *testing.T) {
	s := startServer(t)
	serve(t, s.ClientURL())
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		_, err := cluster.Call(ctx, c, fail, "not today")
		var job *cluster.JobError
		var remote *asyncio.RemoteError
		if !errors.As(err, &job) || job.Attempts != 1 || job.DeadLetter || !errors.As(err, &remote) || remote.Message != "not today" {
			t.Errorf("%#v", err)
		}
		_, err = cluster.Call(ctx, c, explode, struct{}{})
		var panicked *asyncio.PanicError
		if !errors.As(err, &panicked) || panicked.Value != "boom" || len(panicked.Stack) == 0 {
			t.Errorf("%#v", err)
		}
	})
}
