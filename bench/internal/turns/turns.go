//go:build unix

// Package turns measures programs that do the same in turns, so that what else the machine
// does falls on all of them alike, and prints medians and their ratios.
package turns

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A Side is one of those that are compared.
type Side struct {
	Name string
	Run  func() ([]float64, error) // does it once, and returns what it took: a value for each column
}

// Compare has each side take its turn so many rounds, and prints the medians and, of each
// column, the ratio to the first side.
func Compare(out io.Writer, title string, columns []string, rounds int, sides ...Side) error {
	took := make([][][]float64, len(sides)) // of each side, of each column
	for i := range took {
		took[i] = make([][]float64, len(columns))
	}
	for range rounds {
		for i, s := range sides {
			values, err := s.Run()
			if err != nil {
				return fmt.Errorf("%s: %s: %w", title, s.Name, err)
			}
			for k, v := range values {
				took[i][k] = append(took[i][k], v)
			}
		}
	}
	fmt.Fprintf(out, "%-34s", title)
	for _, c := range columns {
		fmt.Fprintf(out, " %20s", c)
	}
	fmt.Fprintf(out, "  (median of %d)\n", rounds)
	for i, s := range sides {
		fmt.Fprintf(out, "  %-32s", s.Name)
		for k := range columns {
			first, own := median(took[0][k]), median(took[i][k])
			fmt.Fprintf(out, " %11.2f (%5.3f)", own, own/first)
		}
		fmt.Fprintln(out)
	}
	return nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// During starts a server, has load use it, ends it, and returns the CPU time that it took.
func During(address string, cmd *exec.Cmd, load func() error) (time.Duration, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	err := reachable(address)
	if err == nil {
		err = load()
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if werr := cmd.Wait(); err != nil {
		return 0, fmt.Errorf("%w; %v: %v\n%s", err, cmd, werr, &out)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

func reachable(address string) error {
	end := time.Now().Add(10 * time.Second)
	for {
		c, err := net.Dial("tcp", address)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(end) {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// FreePort returns a port that nobody listens at.
func FreePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// On returns a command that runs on the processors of the list, as taskset has it.
func On(processors, name string, args ...string) *exec.Cmd {
	return exec.Command("taskset", append([]string{"-c", processors, name}, args...)...)
}

// Numbers runs cmd and reads the numbers that it prints.
func Numbers(cmd *exec.Cmd) ([]float64, error) {
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%v: %w\n%s", cmd, err, &problems)
	}
	var values []float64
	for _, field := range strings.Fields(string(out)) {
		var v float64
		if _, err := fmt.Sscan(field, &v); err != nil {
			return nil, fmt.Errorf("%v printed %q", cmd, out)
		}
		values = append(values, v)
	}
	return values, nil
}

// Build builds the program of a directory, or of a file in C, below the module's root, and
// returns its path in dir.
func Build(dir, name, source string) (string, error) {
	to := dir + string(os.PathSeparator) + name
	cmd := exec.Command("go", "build", "-o", to, "./"+source)
	if strings.HasSuffix(source, ".c") {
		cmd = exec.Command("cc", "-O2", "-o", to, source)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%v: %w\n%s", cmd, err, out)
	}
	return to, nil
}
