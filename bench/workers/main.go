//go:build unix

// Command workers measures servers on several loops, over connections that are kept:
//
//	workers serve echo|http workers|processes N PORT
//	workers inside echo|http LOOPS N
//	workers sitting [-rounds N] [-n N] [-many N] [ROW]
//
// Processes have a loop each, and share nothing but the port: what [asyncio.Workers] in
// one process takes beside them is what its loops share. A sitting has them take turns,
// and prints the CPU time of the servers alone: where the load runs on the same two
// processors, requests a second say less. It needs cc. Inside, each loop is a client of
// itself and does N requests, and all of it is measured.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/asyncio-go/asyncio/bench/internal/turns"
)

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "workers:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: workers serve echo|http workers|processes N PORT | inside echo|http LOOPS N | sitting [-rounds N] [-n N] [-many N] [ROW]")

func command(args []string) error {
	if len(args) == 5 && args[0] == "serve" {
		n, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		if args[2] == "processes" {
			return processes(args[1], n, args[4])
		}
		return serve(args[1], n, "127.0.0.1:"+args[4])
	}
	if len(args) == 4 && args[0] == "inside" {
		loops, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		return inside(args[1], loops, n)
	}
	if len(args) > 0 && args[0] == "sitting" {
		flags := flag.NewFlagSet("sitting", flag.ContinueOnError)
		rounds := flags.Int("rounds", 7, "so `many` rounds")
		n := flags.Int("n", 200_000, "so `many` requests in a turn")
		many := flags.Int("many", 50, "over so `many` connections")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return sit(*rounds, *n, *many, flags.Arg(0))
	}
	return errUsage
}

func serve(what string, n int, address string) error {
	return asyncio.Workers(context.Background(), n, func(ctx context.Context, w *asyncio.Worker) error {
		ln, err := w.Listen("tcp", address)
		if err != nil {
			return err
		}
		if what == "http" {
			srv := &asynchttp.Server{Handler: http.HandlerFunc(answer)}
			return srv.Serve(ctx, "tcp", address, asyncio.WithListener(ln))
		}
		srv, err := asyncio.StartServer(ctx, "tcp", address, echo(), asyncio.WithListener(ln))
		if err != nil {
			return err
		}
		return srv.ServeForever(ctx)
	})
}

// echo returns a handler that echoes. All connections of its loop have one buffer: see
// bench/echo.
func echo() func(context.Context, *asyncio.Stream) error {
	buffer := make([]byte, 4096)
	return func(_ context.Context, s *asyncio.Stream) error {
		for {
			n, err := s.Read(buffer)
			if err != nil {
				return nil
			}
			if _, err := s.Write(buffer[:n]); err != nil {
				return nil
			}
		}
	}
}

var body = make([]byte, 64)

func answer(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }

// processes runs n processes with a loop each, until SIGTERM.
func processes(what string, n int, port string) error {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	all := make([]*exec.Cmd, n)
	for i := range all {
		all[i] = exec.Command(os.Args[0], "serve", what, "workers", "1", port)
		all[i].Env = append(os.Environ(), "GOMAXPROCS=1")
		all[i].Stderr = os.Stderr
		if err := all[i].Start(); err != nil {
			return err
		}
	}
	<-end
	for _, cmd := range all {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // the signal ends it
	}
	return nil
}

// sit prints the tables. It is for the root of the repository.
func sit(rounds, n, many int, only string) error {
	dir, err := os.MkdirTemp("", "workers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	load, err := turns.Build(dir, "load", "bench/workers/peer/load.c")
	if err != nil {
		return err
	}
	for _, what := range []string{"echo", "http"} {
		if !strings.Contains(what, only) {
			continue
		}
		side := func(name, kind string, loops int) turns.Side {
			return turns.Side{Name: name, Run: func() ([]float64, error) {
				port, err := turns.FreePort()
				if err != nil {
					return nil, err
				}
				cmd := exec.Command(os.Args[0], "serve", what, kind, strconv.Itoa(loops), port)
				cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(loops))
				var seconds []float64
				cpu, err := turns.During("127.0.0.1:"+port, cmd, func() (err error) {
					seconds, err = turns.Numbers(exec.Command(load, what, port, strconv.Itoa(n), strconv.Itoa(many)))
					return err
				})
				if err != nil {
					return nil, err
				}
				return []float64{float64(cpu.Microseconds()) / float64(n), float64(n) / seconds[0]}, nil
			}}
		}
		err := turns.Compare(os.Stdout, fmt.Sprintf("%s, %d connections", what, many), []string{"us of CPU each", "a second"}, rounds,
			side("a loop", "workers", 1),
			side("two loops", "workers", 2),
			side("two processes", "processes", 2))
		if err != nil {
			return err
		}
		own := func(name string, loops int) turns.Side {
			return turns.Side{Name: name, Run: func() ([]float64, error) {
				cmd := exec.Command(os.Args[0], "inside", what, strconv.Itoa(loops), strconv.Itoa(n))
				cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(loops))
				seconds, err := turns.Numbers(cmd)
				if err != nil {
					return nil, err
				}
				cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
				all := float64(n * loops)
				return []float64{float64(cpu.Microseconds()) / all, all / seconds[0]}, nil
			}}
		}
		err = turns.Compare(os.Stdout, what+" inside", []string{"us of CPU each", "a second"}, rounds, own("a loop", 1), own("two loops", 2))
		if err != nil {
			return err
		}
	}
	return nil
}
