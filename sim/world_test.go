package sim_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

func TestMain(m *testing.M) {
	asyncio.WorkerMain()
	goleak.VerifyTestMain(m)
}

// echo serves a port and returns what it is sent.
func echo(ctx context.Context) error {
	s, err := asyncio.StartServer(ctx, "tcp", ":7", func(ctx context.Context, s *asyncio.Stream) error {
		defer s.Close()
		_, err := io.Copy(s.Conn(), s.Conn())
		if errors.Is(err, syscall.ECONNRESET) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.ServeForever(ctx)
}

// ask sends something to a server that echoes it.
func ask(ctx context.Context, address string, message []byte) error {
	s, err := asyncio.OpenConnection(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Write(message); err != nil {
		return err
	}
	got := make([]byte, len(message))
	if _, err := io.ReadFull(s, got); err != nil {
		return err
	}
	if !bytes.Equal(got, message) {
		return fmt.Errorf("sent %d bytes, got others", len(message))
	}
	return nil
}

func TestAProgramRunsInTheWorldAsItIs(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server, client := w.Host("server"), w.Host("client")
		server.Serve(echo)
		for i := range 3 {
			client.Go(func(ctx context.Context) error {
				if err := asyncio.Sleep(ctx, 10*time.Millisecond); err != nil {
					return err
				}
				return ask(ctx, "server:7", bytes.Repeat([]byte{byte(i)}, 100_000*i+1))
			})
		}
	})
}

func TestTheSameSeedIsTheSameWorldAndAnotherIsNot(t *testing.T) {
	world := func(w *sim.World) {
		server, client := w.Host("server"), w.Host("client")
		server.Serve(echo)
		client.Go(func(ctx context.Context) error {
			if err := asyncio.Sleep(ctx, 10*time.Millisecond); err != nil {
				return err
			}
			return ask(ctx, "server:7", []byte("hello"))
		})
	}
	hashes := make(map[uint64]uint64)
	for seed := range uint64(20) {
		one := sim.Run(world, sim.Seed(seed), sim.Seeds(1))
		other := sim.Run(world, sim.Seed(seed), sim.Seeds(1))
		if one.Err != nil || one.Hash != other.Hash || one.Tape != other.Tape || one.Turns != other.Turns {
			t.Fatalf("seed %d: %v, %x, then %v, %x", seed, one.Err, one.Hash, other.Err, other.Hash)
		}
		if before, twice := hashes[one.Hash]; twice {
			t.Errorf("seeds %d and %d are the same world", before, seed)
		}
		hashes[one.Hash] = seed
	}
}

// A host whose turns follow each other does not come back to the world in between,
// unless something is looked at after each turn.
func TestAWorldThatIsLookedAtIsTheSame(t *testing.T) {
	run := func(seed uint64, looked bool) (hash uint64, turns int) {
		looks := 0
		r := sim.Run(func(w *sim.World) {
			if looked {
				w.Always("it is", func() bool {
					looks++
					return true
				})
			}
			for range 2 {
				w.Host(fmt.Sprint("h", looks, w.Pick(1000))).Go(func(ctx context.Context) error {
					for range 3 {
						asyncio.Go(ctx, func(ctx context.Context) error {
							for range 20 {
								if err := asyncio.Sleep(ctx, 0); err != nil {
									return err
								}
							}
							return asyncio.Sleep(ctx, time.Millisecond)
						})
					}
					return asyncio.Sleep(ctx, time.Second)
				})
			}
		}, sim.Seed(seed), sim.Seeds(1), sim.Once())
		if r.Err != nil || looked && looks < r.Turns {
			t.Errorf("%d looks at %d turns, %v", looks, r.Turns, r.Err)
		}
		return r.Hash, r.Turns
	}
	for seed := range uint64(20) {
		hash, turns := run(seed, false)
		if other, also := run(seed, true); hash != other || turns != also || turns < 40 {
			t.Errorf("seed %d: %x after %d turns, and looked at %x after %d", seed, hash, turns, other, also)
		}
	}
}
