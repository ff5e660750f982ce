package conformance

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

var (
	//go:embed reference/gen.py
	generatorScript string
	//go:embed reference/ref.py
	referenceScript string
)

// Profiles are the kinds of programs that the generator makes.
var Profiles = []string{
	"tasks", "cancel", "timeouts", "groups", "locks", "queues", "callbacks", "streams", "mixed",
}

// ErrNoReference says that there is no CPython 3.13 on this machine.
var ErrNoReference = errors.New("conformance: no CPython 3.13 found, neither as python3.13 nor by pyenv")

// A Reference is a CPython 3.13, which makes programs and runs them.
type Reference struct{ python string }

// FindReference looks for a CPython 3.13: python3.13 in the path, then pyenv's
// 3.13.0. It returns [ErrNoReference] when there is none.
func FindReference() (*Reference, error) {
	candidates := []string{"python3.13"}
	if out, err := exec.Command("pyenv", "prefix", "3.13.0").Output(); err == nil {
		candidates = append(candidates, filepath.Join(strings.TrimSpace(string(out)), "bin", "python3.13"))
	}
	const version = "import sys; print(sys.implementation.name, *sys.version_info[:2])"
	for _, name := range candidates {
		out, err := exec.Command(name, "-c", version).Output()
		if err == nil && strings.TrimSpace(string(out)) == "cpython 3 13" {
			return &Reference{name}, nil
		}
	}
	return nil, ErrNoReference
}

// Generate makes count programs of a profile, without traces. The same
// arguments always give the same programs; those of seeds beside each other
// overlap.
func (r *Reference) Generate(ctx context.Context, profile string, seed, count int) ([]*Program, error) {
	out, err := r.run(ctx, generatorScript, profile, strconv.Itoa(seed), strconv.Itoa(count))
	if err != nil {
		return nil, fmt.Errorf("conformance: generate %s %d %d: %w", profile, seed, count, err)
	}
	ps, err := Parse(out)
	if err != nil {
		return nil, fmt.Errorf("conformance: generated programs %s %d %d: %w", profile, seed, count, err)
	}
	return ps, nil
}

// Record runs the programs on CPython and notes their traces.
func (r *Reference) Record(ctx context.Context, programs []*Program) error {
	data, err := json.Marshal(programs)
	if err != nil {
		return fmt.Errorf("conformance: record: %w", err)
	}
	f, err := os.CreateTemp("", "programs-*.json")
	if err != nil {
		return fmt.Errorf("conformance: record: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("conformance: record: %w", err)
	}
	out, err := r.run(ctx, referenceScript, f.Name())
	if err != nil {
		return fmt.Errorf("conformance: record: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<30)
	n := 0
	for ; lines.Scan(); n++ {
		if n == len(programs) {
			return errors.New("conformance: record: more traces than programs")
		}
		var traced struct{ Trace []string }
		if err := json.Unmarshal(lines.Bytes(), &traced); err != nil {
			return fmt.Errorf("conformance: record: %w", err)
		}
		programs[n].Trace = traced.Trace
	}
	if n < len(programs) {
		return fmt.Errorf("conformance: record: %d traces for %d programs", n, len(programs))
	}
	return lines.Err()
}

func (r *Reference) run(ctx context.Context, script string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, r.python, append([]string{"-c", script}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		return nil, fmt.Errorf("%w: %s", err, lines[len(lines)-1])
	}
	return out, nil
}
