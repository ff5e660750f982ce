package sim

import (
	"context"
	"math/rand"
	"net"
	"time"

	"checked/wrap"

	"github.com/asyncio-go/asyncio"
)

func simulated(ctx context.Context, a, b chan int) error {
	time.Now()   // want `time.Now reads the real clock; a simulated run has the loop's, Loop.Time`
	rand.Intn(3) // want `rand.Intn is different in each run`
	rand.New(rand.NewSource(1)).Intn(3)
	select { // want `which case a select takes when several are ready is different in each run`
	case <-a:
	case <-b:
	default:
	}
	select {
	case <-a:
	default:
	}
	return asyncio.Sleep(ctx, 1)
}

func elsewhere(ctx context.Context, conn net.Conn) {
	wrap.Spawn(ctx, func(context.Context) error {
		time.Now()                                 // want `time.Now reads the real clock`
		return conn.SetDeadline(time.Now().Add(1)) // want `a deadline follows the real clock`
	})
	wrap.Background(func() { time.Now() })
}

func notOnALoop() time.Time { return time.Now() }
