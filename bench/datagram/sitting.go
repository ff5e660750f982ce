package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A column is a program to be measured, in one of its variants.
type column struct{ label, program, variant string }

// A row is what a program is to do. It returns the microseconds of CPU for a datagram.
type row struct {
	name    string
	measure func(peer string, c column) (float64, error)
}

var rows = []row{
	{"echo, 64 B, window 64", echoes("gro", 1, 64, 64, 300_000)},
	{"echo, 1,200 B, window 64", echoes("gro", 1, 1200, 64, 300_000)},
	{"echo, 64 B, window 1", echoes("gro", 1, 64, 1, 15_000)},
	{"echo, 1,200 B, window 1", echoes("gro", 1, 1200, 1, 15_000)},
	{"echo, 64 B, window 64, cut by the sender", echoes("gso", 1, 64, 64, 600_000)},
	{"echo, 1,200 B, window 64, cut by the sender", echoes("gso", 1, 1200, 64, 600_000)},
	{"echo, 64 B, 16 clients of window 8", echoes("gro", 16, 64, 8, 20_000)},
	{"receive, 64 B", receives("mmsg", 64, 600_000)},
	{"receive, 1,200 B", receives("mmsg", 1200, 600_000)},
	{"receive, 1,200 B, cut by the sender", receives("gso", 1200, 3_000_000)},
	{"send, 64 B", sends(64, 600_000)},
	{"send, 1,200 B", sends(1200, 600_000)},
}

// sit measures all columns in turns, and prints the medians.
func sit(args []string) error {
	rounds, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	peer := args[1]
	var columns []column
	for _, a := range args[2:] {
		label, rest, _ := strings.Cut(a, "=")
		program, variant, ok := strings.Cut(rest, ",")
		if !ok {
			return errUsage
		}
		columns = append(columns, column{label, program, variant})
	}
	only := os.Getenv("ROW")
	got := make(map[[2]int][]float64)
	for range rounds {
		for i, r := range rows {
			for j, c := range columns {
				if !strings.Contains(r.name, only) {
					continue
				}
				v, err := r.measure(peer, c)
				if errors.Is(err, errUnfit) {
					continue
				}
				if err != nil {
					return fmt.Errorf("%s, %s: %w", r.name, c.label, err)
				}
				got[[2]int{i, j}] = append(got[[2]int{i, j}], v)
			}
		}
	}
	fmt.Printf("%-46s", "µs of CPU for a datagram")
	for _, c := range columns {
		fmt.Printf(" %10s", c.label)
	}
	fmt.Println()
	for i, r := range rows {
		if !strings.Contains(r.name, only) {
			continue
		}
		fmt.Printf("%-46s", r.name)
		for j := range columns {
			v := got[[2]int{i, j}]
			if len(v) == 0 {
				fmt.Printf(" %10s", "")
				continue
			}
			slices.Sort(v)
			fmt.Printf(" %10.3f", v[len(v)/2])
		}
		fmt.Println()
	}
	return nil
}

// errUnfit says that a column has nothing for a row.
var errUnfit = errors.New("not of this row")

// serversCore is where the program that is measured runs; the other runs elsewhere.
const serversCore, othersCore = "0", "1"

func on(core string, args ...string) *exec.Cmd {
	cmd := exec.Command("taskset", append([]string{"-c", core}, args...)...)
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	return cmd
}

// A server is a program that runs, and the port at which it does.
type server struct {
	cmd  *exec.Cmd
	out  *bufio.Scanner
	port string
}

func start(core string, args ...string) (*server, error) {
	s := &server{cmd: on(core, args...)}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.out = bufio.NewScanner(out)
	if !s.out.Scan() {
		_ = s.cmd.Wait()
		return nil, errUnfit
	}
	s.port = s.out.Text()
	return s, nil
}

// end ends the server, and returns how many datagrams it says it has had, and what
// they took.
func (s *server) end() (n int, cpu time.Duration, err error) {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, 0, err
	}
	if s.out.Scan() {
		n, _ = strconv.Atoi(s.out.Text())
	}
	err = s.cmd.Wait()
	return n, s.cmd.ProcessState.UserTime() + s.cmd.ProcessState.SystemTime(), err
}

func each(cpu time.Duration, n int) (float64, error) {
	if n == 0 {
		return 0, errors.New("no datagrams")
	}
	return float64(cpu.Nanoseconds()) / 1e3 / float64(n), nil
}

func echoes(how string, clients, size, window, count int) func(string, column) (float64, error) {
	return func(peer string, c column) (float64, error) {
		if c.variant == "batch" {
			return 0, errUnfit
		}
		s, err := start(serversCore, c.program, "echo", c.variant)
		if err != nil {
			return 0, err
		}
		loads := make([]*exec.Cmd, clients)
		for i := range loads {
			loads[i] = on(othersCore, peer, "load", how, s.port, strconv.Itoa(size), strconv.Itoa(window), strconv.Itoa(count))
			err = errors.Join(err, loads[i].Start())
		}
		for _, l := range loads {
			err = errors.Join(err, l.Wait())
		}
		n, cpu, err2 := s.end()
		if err := errors.Join(err, err2); err != nil {
			return 0, err
		}
		return each(cpu, n)
	}
}

func receives(how string, size, count int) func(string, column) (float64, error) {
	return func(peer string, c column) (float64, error) {
		if c.variant == "batch" {
			return 0, errUnfit
		}
		s, err := start(serversCore, c.program, "sink", c.variant)
		if err != nil {
			return 0, err
		}
		err = on(othersCore, peer, "blast", how, s.port, strconv.Itoa(size), strconv.Itoa(count)).Run()
		n, cpu, err2 := s.end()
		if err := errors.Join(err, err2); err != nil {
			return 0, err
		}
		return each(cpu, n)
	}
}

func sends(size, count int) func(string, column) (float64, error) {
	return func(peer string, c column) (float64, error) {
		if c.variant == "conn" {
			return 0, errUnfit
		}
		s, err := start(othersCore, peer, "sink", "gso")
		if err != nil {
			return 0, err
		}
		cmd := on(serversCore, c.program, "blast", c.variant, s.port, strconv.Itoa(size), strconv.Itoa(count))
		err = cmd.Run()
		_, _, err2 := s.end()
		if err := errors.Join(err, err2); err != nil {
			return 0, err
		}
		return each(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), count)
	}
}
