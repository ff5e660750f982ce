package sim_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

// testCertificate returns a certificate for example.com that is the same in each process,
// and those that trust it.
var testCertificate = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	peer := httptest.NewUnstartedServer(nil)
	peer.StartTLS()
	defer peer.Close()
	roots := x509.NewCertPool()
	roots.AddCert(peer.Certificate())
	return peer.TLS.Certificates[0], roots
})

// serveTLS serves TLS on port 443 with a certificate.
func serveTLS(ctx context.Context, cert tls.Certificate, handle func(context.Context, *asyncio.Stream) error) error {
	s, err := asyncio.StartServer(ctx, "tcp", ":443", handle, asyncio.WithTLS(&tls.Config{Certificates: []tls.Certificate{cert}}))
	if err != nil {
		return err
	}
	return s.ServeForever(ctx)
}

// dialTLS connects to what serves testCertificate on the host "server".
func dialTLS(ctx context.Context, roots *x509.CertPool) (*asyncio.Stream, error) {
	return asyncio.OpenConnection(ctx, "tcp", "server:443", asyncio.WithTLS(&tls.Config{RootCAs: roots, ServerName: "example.com"}))
}

// priceProgram multiplies what it reads by its argument, and takes its time.
func priceProgram(w *sim.World) func(p *sim.Process) int {
	return func(p *sim.Process) int {
		if err := some(p.Context(), w); err != nil {
			return 1
		}
		var amount int
		rate, _ := strconv.Atoi(p.Args[0])
		if _, err := fmt.Fscan(p.Stdin, &amount); err != nil {
			return 2
		}
		fmt.Fprintln(p.Stdout, amount*rate)
		return 0
	}
}

// staleAnswer is a server of prices, over TLS, that lets a process of its own compute each.
// A signal makes it take a new rate, also while a process computes with the old one. Such
// a process may be killed, and another is started then.
func staleAnswer(w *sim.World) {
	cert, roots := testCertificate()
	server := w.Host("server")
	server.Program("price", priceProgram(w))
	server.Serve(func(ctx context.Context) error {
		l, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		rate := 2
		if err := l.AddSignalHandler(os.Interrupt, func() { rate++ }); err != nil {
			return err
		}
		return serveTLS(ctx, cert, func(ctx context.Context, s *asyncio.Stream) error {
			defer s.Close()
			for {
				line, err := s.ReadLine(ctx)
				if err != nil {
					return nil
				}
				for {
					seen := rate
					p, err := asyncio.CreateSubprocessExec(ctx, "price", []string{strconv.Itoa(seen)}, asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe))
					if err != nil {
						return err
					}
					out, _, err := p.Communicate(ctx, line)
					if code, _ := p.ReturnCode(); err != nil || code != 0 {
						continue // it was killed
					}
					if seen != rate {
						w.Failf("an answer by the rate %d, which is %d", seen, rate)
					}
					if _, err := s.Write(bytes.TrimSpace(out)); err != nil {
						return nil
					}
					break
				}
			}
		})
	})
	w.Host("client").Go(func(ctx context.Context) error {
		if err := asyncio.Sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
		s, err := dialTLS(ctx, roots)
		if err != nil {
			return err
		}
		defer s.Close()
		answer := make([]byte, 8)
		for i := range 3 {
			if _, err := fmt.Fprintln(s, i+1); err != nil {
				return err
			}
			if _, err := s.Read(answer); err != nil {
				return err
			}
		}
		return nil
	})
	for range 2 {
		w.At(time.Duration(100+w.Pick(200))*time.Millisecond, func() { server.Signal(os.Interrupt) })
		w.At(time.Duration(100+w.Pick(200))*time.Millisecond, func() {
			for _, p := range server.Processes() {
				_ = p.Signal(os.Kill) // it runs
			}
		})
	}
}

// systemSeeds runs the world with seeds until so many have failed, and returns each with
// its hash.
func systemSeeds(t *testing.T, many int) (failing []string) {
	for seed := uint64(1); len(failing) < many; seed++ {
		if seed > 2000 {
			t.Fatalf("only %d seeds fail", len(failing))
		}
		if hash, failed := systemHash(t, seed); failed {
			failing = append(failing, fmt.Sprintf("%d %016x", seed, hash))
		}
	}
	return failing
}

func systemHash(t *testing.T, seed uint64) (hash uint64, failed bool) {
	r := sim.RunInBubble(t, staleAnswer, sim.Seed(seed), sim.Seeds(1), sim.ShrinkRuns(0), sim.Once(), sim.EqualRandom())
	if r.Err != nil && !strings.Contains(r.Err.Error(), "an answer by the rate") {
		t.Fatalf("seed %d: %v", seed, r.Err)
	}
	return r.Hash, r.Err != nil
}

// TestChildReplaysASystem prints the hashes of worlds, all runs of each seed in a line.
// It is run by TestAFailureWithTLSProcessesAndSignalsIsTheSame.
func TestChildReplaysASystem(t *testing.T) {
	if os.Getenv("SIM_TEST_CHILD") == "" {
		t.Skip("it is run by another test")
	}
	for _, text := range strings.Fields(os.Getenv("SIM_TEST_CHILD_SEEDS")) {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		for range *replays {
			hash, failed := systemHash(t, seed)
			fmt.Printf("replay %d %016x %v\n", seed, hash, failed)
		}
	}
}

func TestAFailureWithTLSProcessesAndSignalsIsTheSame(t *testing.T) {
	failing := systemSeeds(t, *replayedSeed)
	var seeds, want []string
	for _, f := range failing {
		seed, _, _ := strings.Cut(f, " ")
		seeds = append(seeds, seed)
		for range *replays {
			want = append(want, "replay "+f+" true")
		}
	}
	for _, procs := range []string{"1", "2"} {
		env := []string{"GOMAXPROCS=" + procs, "SIM_TEST_CHILD_SEEDS=" + strings.Join(seeds, " ")}
		out, ok := child(t, t.TempDir(), env, "-test.run=^TestChildReplaysASystem$", "-bugs.replays="+strconv.Itoa(*replays))
		var got []string
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "replay ") {
				got = append(got, strings.TrimSpace(line))
			}
		}
		if a, b := strings.Join(want, "\n"), strings.Join(got, "\n"); !ok || a != b {
			t.Errorf("on %s processors: %v\n%s\nwanted:\n%s", procs, ok, out, a)
		}
	}
}
