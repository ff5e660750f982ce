//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience is how long a test may take that is held up. One that takes longer hangs.
const patience = time.Minute

// held is where, how long and how often a test is held up.
type held struct {
	places []int
	pause  time.Duration
	times  int // at each place
	procs  int // GOMAXPROCS
}

// ways are how tests are held up: at one of so many places.
var ways = []struct {
	of int
	held
}{
	{20, held{pause: 8 * time.Millisecond, times: 2}},
	{60, held{pause: 40 * time.Millisecond, times: 2}},
	{150, held{pause: 120 * time.Millisecond, times: 2}},
	{400, held{pause: 400 * time.Millisecond, times: 1}},
	{1000, held{pause: 400 * time.Millisecond, times: 3}},
}

// choose chooses some of n places.
func choose(r *rand.Rand, n int) held {
	way := ways[r.IntN(len(ways))]
	h := way.held
	h.procs = 1 << r.IntN(3)
	for i := range n {
		if r.IntN(way.of) == 0 {
			h.places = append(h.places, i)
		}
	}
	if len(h.places) == 0 {
		h.places = []int{r.IntN(n)}
	}
	return h
}

// once runs a test alone. It returns what that has written, the places that it has reached,
// and whether it has failed; none fails when the search is over.
func (s *search) once(ctx context.Context, test string, h held) (text string, reached []int, failed bool) {
	log, err := os.CreateTemp(s.changed.dir, "reached")
	if err != nil {
		return err.Error(), nil, true
	}
	defer os.Remove(log.Name())
	defer log.Close()
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	args := []string{"-test.run", "^" + test + "$", "-test.timeout", (patience - 10*time.Second).String()}
	if s.short {
		args = append(args, "-test.short")
	}
	c := exec.CommandContext(limited, s.binary, args...)
	c.Dir = s.dir
	c.Env = append(os.Environ(), fmt.Sprint("GOMAXPROCS=", h.procs))
	if len(h.places) > 0 {
		at := make([]string, len(h.places))
		for i, place := range h.places {
			at[i] = strconv.Itoa(place)
		}
		c.Env = append(c.Env, "PAUSES_AT="+strings.Join(at, ","), fmt.Sprint("PAUSES_FOR=", int64(h.pause)),
			fmt.Sprint("PAUSES_TIMES=", h.times), "PAUSES_LOG="+log.Name())
	}
	// It may leave processes.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = time.Second
	out, err := c.CombinedOutput()
	if c.Process != nil {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
	}
	if err == nil || ctx.Err() != nil {
		return "", nil, false
	}
	lines, _ := os.ReadFile(log.Name())
	for _, word := range strings.Fields(string(lines)) {
		if n, err := strconv.Atoi(word); err == nil {
			reached = append(reached, n)
		}
	}
	slices.Sort(reached)
	return string(out) + err.Error(), slices.Compact(reached), true
}

// fewer returns fewer places that suffice for the test to fail, by leaving out halves,
// quarters and so on for as long as it does.
func (s *search) fewer(ctx context.Context, test string, h held) held {
	for part := (len(h.places) + 1) / 2; len(h.places) > 1; part = (part + 1) / 2 {
		for from := 0; from < len(h.places) && len(h.places) > 1; {
			without := h
			without.places = slices.Delete(slices.Clone(h.places), from, min(from+part, len(h.places)))
			if len(without.places) > 0 {
				if _, _, failed := s.once(ctx, test, without); failed {
					h = without
					continue
				}
			}
			from += part
		}
		if part == 1 {
			break
		}
	}
	return h
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
