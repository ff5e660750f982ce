//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/asyncio-go/asyncio/bench/internal/turns"
)

// A sitting has the programs that are measured.
type sitting struct {
	dir, peer, self string
}

// sit prints the tables. It is for the root of the repository.
func sit(rounds, n int, only string) error {
	dir, err := os.MkdirTemp("", "visits")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &sitting{dir: dir}
	if s.peer, err = turns.Build(dir, "peer", "bench/visits/peer/visits.c"); err != nil {
		return err
	}
	if s.self, err = os.Executable(); err != nil {
		return err
	}
	for _, many := range []int{50, 500} {
		title := fmt.Sprintf("visits, %d at a time", many)
		if strings.Contains(title, only) {
			err := turns.Compare(os.Stdout, title, []string{"us of CPU each", "a second"}, rounds,
				s.server("C", n, many, func(port string) *exec.Cmd { return turns.On("0", s.peer, "serve", port) }),
				s.server("proto", n, many, s.serving("proto")),
				s.server("streams", n, many, s.serving("streams")),
				s.server("goroutines", n, many, s.serving("goroutines")),
				s.server("nginx", n, many, s.nginx))
			if err != nil {
				return err
			}
		}
	}
	if title := "10,000 connects"; strings.Contains(title, only) {
		return turns.Compare(os.Stdout, title, []string{"us each", "us of CPU each", "KB of memory each"}, rounds,
			s.client("C", 10_000, s.peer, "dial"),
			s.client("loop", 10_000, s.self, "dial", "loop"),
			s.client("goroutines", 10_000, s.self, "dial", "goroutines"))
	}
	return nil
}

func (s *sitting) serving(kind string) func(port string) *exec.Cmd {
	return func(port string) *exec.Cmd {
		cmd := turns.On("0", s.self, "serve", kind, port)
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
		return cmd
	}
}

// server is a server that has n visits, so many at a time.
func (s *sitting) server(name string, n, many int, start func(port string) *exec.Cmd) turns.Side {
	return turns.Side{Name: name, Run: func() ([]float64, error) {
		port, err := turns.FreePort()
		if err != nil {
			return nil, err
		}
		var seconds []float64
		cpu, err := turns.During("127.0.0.1:"+port, start(port), func() (err error) {
			seconds, err = turns.Numbers(turns.On("1", s.peer, "load", port, strconv.Itoa(n), strconv.Itoa(many)))
			return err
		})
		if err != nil {
			return nil, err
		}
		return []float64{float64(cpu.Microseconds()) / float64(n), float64(n) / seconds[0]}, nil
	}}
}

// client is a program that connects n times at once.
func (s *sitting) client(name string, n int, program string, args ...string) turns.Side {
	return turns.Side{Name: name, Run: func() ([]float64, error) {
		port, err := turns.FreePort()
		if err != nil {
			return nil, err
		}
		var v []float64
		_, err = turns.During("127.0.0.1:"+port, turns.On("1", s.peer, "hold", port), func() (err error) {
			cmd := turns.On("0", program, append(args, port, strconv.Itoa(n))...)
			cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
			v, err = turns.Numbers(cmd)
			return err
		})
		if err != nil {
			return nil, err
		}
		each := 1e6 / float64(n)
		return []float64{v[0] * each, v[1] * each, v[2] / float64(n)}, nil
	}}
}

func (s *sitting) nginx(port string) *exec.Cmd {
	conf := filepath.Join(s.dir, "nginx.conf")
	_ = os.WriteFile(conf, fmt.Appendf(nil, `
daemon off; master_process off; pid %[1]s/nginx.pid; error_log %[1]s/error.log;
events { worker_connections 4096; }
http {
	access_log off; keepalive_timeout 0;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	server { listen 127.0.0.1:%[2]s backlog=4096; location / { return 200 "0123456789012345678901234567890123456789012345678901234567890123"; } }
}`, s.dir, port), 0o644) // nginx says it when it is missing
	return turns.On("0", "nginx", "-c", conf, "-p", s.dir)
}
