package simtests_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

// hostile makes the network of a world what networks can be.
func hostile(w *sim.World) {
	opts := []sim.LinkOption{sim.Latency(time.Duration(1+w.Pick(20))*time.Millisecond, time.Duration(w.Pick(20))*time.Millisecond)}
	if w.Chance(0.4) {
		opts = append(opts, sim.Loss(float64(w.Pick(20))/100))
	}
	if w.Chance(0.3) {
		opts = append(opts, sim.Bandwidth(20_000+w.Pick(256)*1000))
	}
	w.Links(opts...)
}

// noise is bytes that are the same in each process.
var noise = func() []byte {
	p := make([]byte, 1<<20)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}()

// payload is bytes of which each run has the same. They are not to be changed.
func payload(seed, n int) []byte {
	at := seed * 7919 % (len(noise) - n)
	return noise[at : at+n]
}

// sums is a server that reads to the end of what it is sent, and answers with length
// and checksum.
type sums struct{ active, served int }

func (s *sums) serve(w *sim.World) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		s.active = 0 // what a crash has ended
		srv, err := asyncio.StartServer(ctx, "tcp", ":7", func(ctx context.Context, c *asyncio.Stream) error {
			defer c.Close()
			s.active++
			defer func() { s.active-- }()
			h, n := crc32.NewIEEE(), 0
			buf := make([]byte, 1+w.Pick(8192))
			for {
				// One whose end was lost under way would be waited for without end.
				if err := c.Conn().SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
					return err
				}
				k, err := c.Read(buf)
				h.Write(buf[:k])
				if n += k; errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					return nil // the peer's affair
				}
				if w.Chance(0.05) { // a slow reader
					if err := upTo(ctx, w, 50); err != nil {
						return err
					}
				}
			}
			answer := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(n)), h.Sum32())
			if _, err := c.Write(answer); err == nil {
				s.served++
			}
			return nil
		})
		if err != nil {
			return err
		}
		return srv.ServeForever(ctx)
	}
}

// send sends data, ends its half, and returns what the server says of it.
func send(ctx context.Context, w *sim.World, data []byte) error {
	c, err := asyncio.OpenConnection(ctx, "tcp", "server:7")
	if err != nil {
		return err
	}
	defer c.Close()
	for left := data; len(left) > 0; {
		n := min(len(left), 1+w.Pick(20_000))
		if _, err := c.Write(left[:n]); err != nil {
			return err
		}
		left = left[n:]
	}
	if err := c.WriteEOF(); err != nil {
		return err
	}
	answer, err := c.ReadExactly(ctx, 8)
	if err != nil {
		return err
	}
	n, sum := binary.BigEndian.Uint32(answer), binary.BigEndian.Uint32(answer[4:])
	if n != uint32(len(data)) || sum != crc32.ChecksumIEEE(data) {
		w.Failf("%d of %d bytes were read, or other ones", n, len(data))
	}
	return nil
}

// Whatever the network does, what arrives is what was sent, and a connection that is
// not cut comes to its end.
func TestAStreamBringsWhatWasSentOverAHostileNetwork(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		hostile(w)
		server, s := w.Host("server"), new(sums)
		server.Serve(s.serve(w))
		for i := range 2 {
			w.Host(fmt.Sprint("client", i)).Go(func(ctx context.Context) error {
				if err := asyncio.Sleep(ctx, 100*time.Millisecond); err != nil {
					return err
				}
				for range 3 {
					if err := send(ctx, w, payload(i, w.Pick(100_000))); err != nil {
						// Ten losses in a row do end a connection.
						w.Sometimes("a connection ended", true)
						return nil
					}
				}
				return alone(ctx)
			})
		}
		w.Always("no more than two at once", func() bool { return s.active <= 2 })
	}, sim.Seeds(networkSeeds))
}

// storm lets things go wrong for some seconds: crashes, partitions, one-way cuts and
// pauses. After ten seconds all is whole, and the network does what it can.
func storm(w *sim.World, server *sim.Host, clients ...*sim.Host) {
	at := func() time.Duration { return time.Duration(w.Pick(250)) * 20 * time.Millisecond }
	for range w.Pick(4) {
		c := clients[w.Pick(len(clients))]
		when := at()
		over := when + time.Duration(1+w.Pick(100))*20*time.Millisecond
		switch w.Pick(6) {
		case 0:
			w.At(when, func() { w.Partition(server, c) })
			w.At(over, func() { w.Heal(server, c) })
		case 1:
			w.At(when, func() { w.OneWay(server, c).Cut() })
			w.At(over, func() { w.OneWay(server, c).Heal() })
		case 2:
			w.At(when, func() { w.OneWay(c, server).Cut() })
			w.At(over, func() { w.OneWay(c, server).Heal() })
		case 3:
			w.At(when, server.Crash)
			w.At(over, func() {
				if !server.Up() {
					server.Restart()
				}
			})
		case 4:
			w.At(when, func() { server.Pause(over - when) })
		case 5:
			w.At(when, server.Restart)
		}
	}
	w.At(10*time.Second, func() {
		if !server.Up() {
			server.Restart()
		}
		for _, c := range clients {
			w.Heal(server, c)
			w.Link(server, c).Set(sim.Loss(0), sim.Bandwidth(0))
		}
	})
}

// Connections end by resets, silence and time limits; in the end nothing is left of
// them on either side, and the next one works.
func TestNothingIsLeftOfConnectionsThatWereCut(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server, client, s := w.Host("server"), w.Host("client"), new(sums)
		server.Serve(s.serve(w))
		storm(w, server, client)
		client.Go(func(ctx context.Context) error {
			var tasks []*asyncio.Task[struct{}]
			for i := range 4 {
				tasks = append(tasks, asyncio.Go(ctx, func(ctx context.Context) error {
					for range 6 {
						err := asyncio.Timeout(ctx, time.Duration(1+w.Pick(30))*100*time.Millisecond, func(ctx context.Context) error {
							return send(ctx, w, payload(i, w.Pick(200_000)))
						})
						if asyncio.IsCancelled(err) {
							return err
						}
						w.Sometimes("a transfer was late", late(err))
						w.Sometimes("a transfer has failed", err != nil && !late(err))
						if err := upTo(ctx, w, 200); err != nil {
							return err
						}
					}
					return nil
				}))
			}
			cancelSome(ctx, w, 0.3, 250, tasks...)
			if err := ended(ctx, tasks...); err != nil {
				return err
			}
			if err := asyncio.Sleep(ctx, max(0, 30*time.Second-w.Now())); err != nil {
				return err
			}
			if err := send(ctx, w, payload(9, 50_000)); err != nil {
				return fmt.Errorf("when all was whole: %w", err)
			}
			return alone(ctx)
		})
		w.Eventually("the server is rid of all", 10*time.Minute, func() bool { return w.Now() > 5*time.Minute && s.active == 0 })
	}, sim.Seeds(networkSeeds))
}

// A read that was too late has taken nothing: what comes is there for the next.
func TestADeadlineTakesNothingFromAStream(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		hostile(w)
		server, client := w.Host("server"), w.Host("client")
		data := payload(3, 3000)
		server.Serve(func(ctx context.Context) error {
			srv, err := asyncio.StartServer(ctx, "tcp", ":7", func(ctx context.Context, c *asyncio.Stream) error {
				defer c.Close()
				for left := data; len(left) > 0; {
					n := min(len(left), 1+w.Pick(200))
					if _, err := c.Write(left[:n]); err != nil {
						return nil
					}
					left = left[n:]
					if err := upTo(ctx, w, 40); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			return srv.ServeForever(ctx)
		})
		client.Go(func(ctx context.Context) error {
			if err := asyncio.Sleep(ctx, 100*time.Millisecond); err != nil {
				return err
			}
			c, err := asyncio.OpenConnection(ctx, "tcp", "server:7")
			if err != nil {
				return err
			}
			defer c.Close()
			var got []byte
			buf := make([]byte, 256)
			for {
				limit := time.Duration(1+w.Pick(40)) * time.Millisecond
				began := time.Now()
				if err := c.Conn().SetReadDeadline(began.Add(limit)); err != nil {
					return err
				}
				n, err := c.Conn().Read(buf)
				got = append(got, buf[:n]...)
				switch {
				case errors.Is(err, os.ErrDeadlineExceeded):
					w.Sometimes("a read was late", true)
					if took := time.Since(began); took < limit || n > 0 {
						return fmt.Errorf("late with %d bytes after %v of %v", n, took, limit)
					}
				case errors.Is(err, io.EOF):
					if string(got) != string(data) {
						return fmt.Errorf("%d bytes of %d came, or other ones", len(got), len(data))
					}
					return alone(ctx)
				case err != nil:
					w.Sometimes("the connection ended", true)
					return nil
				}
			}
		})
	}, sim.Seeds(networkSeeds))
}
